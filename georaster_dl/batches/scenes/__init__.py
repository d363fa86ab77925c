"""Scenes of a batch and the names of their outputs."""
