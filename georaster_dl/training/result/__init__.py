"""Results of training: test figures and the model package."""
