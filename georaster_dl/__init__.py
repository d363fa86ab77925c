"""Deep learning on georeferenced rasters: scenes in, styled land-cover GeoTIFFs out."""

__version__ = "0.2.0"
