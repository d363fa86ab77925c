"""Pixel values and labels for training, block by block."""
