"""Continual learning: patches of earlier ground, rehearsed beside the new ones."""
