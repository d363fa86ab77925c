"""Values that everything shares: bands, classes, rasters, errors, text."""
