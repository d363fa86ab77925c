"""Algorithms for LiDAR points."""
