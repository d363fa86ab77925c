"""Architectures of spectra."""
