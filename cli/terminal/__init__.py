"""Printing: console, progress, events, and results with their exit status."""
