"""Tables of spectra: files, wavelengths, joins, resampling."""
