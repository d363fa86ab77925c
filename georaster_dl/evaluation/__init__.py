"""Evaluation: how right a map is, and how sure that is."""
