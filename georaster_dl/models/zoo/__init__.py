"""Architectures of images and their registration."""
