"""Tables of point series: wide, long, and NumPy archives."""
