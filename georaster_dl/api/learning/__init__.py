"""Training, accuracy, calibration, and proposals for labelling."""
