"""The dialog of an algorithm."""
