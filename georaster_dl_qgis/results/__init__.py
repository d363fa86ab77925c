"""What geodl reports and makes, shown in QGIS."""
