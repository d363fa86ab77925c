"""Events and outputs of geodl, shown in QGIS."""
