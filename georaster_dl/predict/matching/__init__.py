"""Scenes matched to models: bands, physical values, the default model."""
