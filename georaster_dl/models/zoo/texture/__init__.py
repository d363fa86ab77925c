"""Forests and support vector machines of a pixel's spectrum and of the texture about it, as networks."""
