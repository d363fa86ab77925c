"""Traits of leaves from tables of spectra, by networks whose decoder is a radiative transfer model."""
