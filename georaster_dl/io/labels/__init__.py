"""Labels of classes and quantities, from rasters and vector files, on the grid of a scene."""
