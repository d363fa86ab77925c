"""Scores, splits, folds, intervals and plots of calibrations."""
