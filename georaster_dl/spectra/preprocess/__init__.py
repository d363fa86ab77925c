"""Preprocessing of spectra."""
