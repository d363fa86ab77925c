"""Maps to send: one zip archive of a map, its style, a legend picture and a project for QGIS."""
