"""Networks at work: device and precision, receptive field, cost, features, optional bands."""
