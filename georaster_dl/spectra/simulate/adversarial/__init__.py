"""Adversarial networks that learn to make vectors with a condition."""
