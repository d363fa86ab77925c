"""Maps of neighbouring scenes as one: a VRT, a COG, a STAC collection."""
