"""Simulated spectra: tables of mixtures, class distributions, generative networks and radiative transfer."""
