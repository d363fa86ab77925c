"""Many scenes, on one machine or many, so that nothing is lost."""
