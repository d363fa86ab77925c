"""Classifiers and clusterings of pixel values, and their files."""
