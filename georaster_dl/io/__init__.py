"""Files: the only room that imports rasterio (GDAL) and pyogrio."""
