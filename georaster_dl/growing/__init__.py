"""Regions of similar pixels that grow from clicks, to be labels."""
