"""Settings of a training run, and defaults resolved for its data and network."""
