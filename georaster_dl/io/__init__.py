"""Files: scenes, labels, vectors and outputs, read and written with rasterio (GDAL) and pyogrio."""
