"""Algorithms that work with finished maps."""
