"""Predictors of several passes over each tile: their means and spreads."""
