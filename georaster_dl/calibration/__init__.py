"""Calibration of a model's probabilities on labelled scenes: fitted, judged by halves of the blocks, packaged."""
