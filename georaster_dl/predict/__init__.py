"""Models applied to scenes: read, predict, stitch, write."""
