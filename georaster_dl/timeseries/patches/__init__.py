"""Samples of square patches with a label of each pixel."""
