"""Models of one instrument used with another."""
