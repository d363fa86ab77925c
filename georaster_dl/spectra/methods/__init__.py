"""Calibration methods without a network: PLS, locally weighted PLS, SVM, forest."""
