"""Commands of ``geodl lidar``."""
