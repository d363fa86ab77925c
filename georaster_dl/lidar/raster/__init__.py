"""Rasters of airborne LiDAR: heights, intensity and returns of the points in each cell."""
