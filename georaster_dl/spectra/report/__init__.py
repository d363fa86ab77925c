"""The report of a calibration: one page with its pictures."""
