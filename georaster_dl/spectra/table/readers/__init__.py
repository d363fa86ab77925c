"""Readers of tables of spectra, one for each kind of file."""
