"""Networks of spectra and their training."""
