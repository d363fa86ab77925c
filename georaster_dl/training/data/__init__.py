"""Labelled scenes, split, cached and sampled as patches."""
