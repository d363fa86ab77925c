"""Stacks of dated scenes on one grid: image time series."""
