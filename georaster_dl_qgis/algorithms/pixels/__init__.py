"""Algorithms of single pixels: classifiers and clusters."""
