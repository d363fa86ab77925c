"""Rasters that a network makes of a scene."""
