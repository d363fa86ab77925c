"""Objects of a class map: its areas as clean polygons."""
