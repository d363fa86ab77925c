"""Changes between two dates, from maps made by one model."""
