"""Tables of laboratory spectra: read, preprocessed, predicted by the methods of chemometrics."""
