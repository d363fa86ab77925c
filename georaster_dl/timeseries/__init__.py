"""Image time series of pixels and parcels: samples, training, classification."""
