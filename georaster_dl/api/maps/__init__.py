"""Functions on finished maps."""
