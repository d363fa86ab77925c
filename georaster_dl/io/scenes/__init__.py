"""Scenes of any format opened on one grid, read in windows, and checked."""
