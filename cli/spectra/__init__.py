"""Commands of ``geodl spectra``."""
