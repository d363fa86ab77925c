"""Tiled inference in constant memory."""
