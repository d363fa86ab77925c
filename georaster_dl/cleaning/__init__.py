"""Cleaning of class maps: minimum mapping unit, majority filter, Bayesian smoothing of probabilities."""
