"""Augmentation of patches and noise on their input."""
