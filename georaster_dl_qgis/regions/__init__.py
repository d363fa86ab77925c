"""Labels from clicks: a panel, its tool on the map, and the process that finds similar pixels."""
