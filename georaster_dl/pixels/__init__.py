"""Classifiers and clusterings of single pixels and of polygons, without a network."""
