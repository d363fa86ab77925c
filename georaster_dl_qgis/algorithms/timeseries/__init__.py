"""Algorithms for image time series."""
