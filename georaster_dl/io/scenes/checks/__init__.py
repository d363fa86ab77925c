"""Doubts about scenes, from a few of their windows: calibration, registration, quantities."""
