"""Tiles of rasters, stitching them, sampling and splitting them into training, validation and test."""
