"""Spectra of leaves and canopies, from traits that are drawn, by radiative transfer."""
