"""Tables of laboratory spectra: read, treated, predicted by the methods of chemometrics."""
