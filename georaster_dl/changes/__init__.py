"""Changes between two dates: one model's maps of both, compared pixel by pixel."""
