"""Vector files: areas of interest, polygons, points, split maps."""
