"""Weights to start from: a choice among the bundled models, and public encoders by name."""
