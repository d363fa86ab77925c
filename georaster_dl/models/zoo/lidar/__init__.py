"""Networks of LiDAR points."""
