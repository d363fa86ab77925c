"""Outlines of numbered objects: traced in strips, simplified, rounded, with right angles."""
