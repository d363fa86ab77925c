"""Novelty: how unlike the pixels that a model learnt from a pixel or a scene is."""
