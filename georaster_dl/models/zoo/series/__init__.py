"""Networks of image time series."""
