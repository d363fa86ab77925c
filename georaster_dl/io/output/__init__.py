"""Output rasters: written, compressed, described, and published whole or not at all."""
