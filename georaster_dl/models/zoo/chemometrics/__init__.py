"""Methods of chemometrics as networks of single spectra: fitted, not trained by gradients."""
