"""Metrics with confidence intervals."""
