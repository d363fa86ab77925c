"""Materials inside pixels: pure spectra (members) and the fraction of each, without labels."""
