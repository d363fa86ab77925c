"""Networks that weigh the modalities of several sensors in each pixel."""
