"""Points of laser scanners: rasters of their heights, and classes of points."""
