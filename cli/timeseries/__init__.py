"""Commands of ``geodl timeseries``."""
