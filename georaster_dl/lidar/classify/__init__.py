"""Classes of LiDAR points: from a map and heights, or from a forest of local features."""
