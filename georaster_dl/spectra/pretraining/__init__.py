"""Self-supervised learning from tables of spectra: random sensors, hidden windows, and a package to start from."""
