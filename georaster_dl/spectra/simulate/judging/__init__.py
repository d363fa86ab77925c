"""Judgement of simulated spectra by real spectra, and its page."""
