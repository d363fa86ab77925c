"""Mosaics of maps of neighbouring scenes: VRT, COG, STAC collection."""
