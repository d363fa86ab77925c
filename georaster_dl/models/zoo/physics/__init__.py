"""Networks whose decoder is a radiative transfer model."""
