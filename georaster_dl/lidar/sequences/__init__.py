"""Sequences of a rotating LiDAR: rotations, slices of them, training and segmentation by Helix4D."""
