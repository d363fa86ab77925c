"""Training: from scenes and labels to a model package."""
