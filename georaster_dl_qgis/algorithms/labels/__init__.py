"""Algorithms that compare scenes or maps with labels."""
