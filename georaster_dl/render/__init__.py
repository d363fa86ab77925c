"""Rasters as pictures: colours, stretches, QGIS styles, quicklooks, HTML pages."""
