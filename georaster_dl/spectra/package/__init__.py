"""Model packages of spectra."""
