"""Pictures of a turn of a rotating LiDAR: from above, and as the sensor sees it."""
