"""Scenes that files, patterns, folders, tables and item collections name."""
