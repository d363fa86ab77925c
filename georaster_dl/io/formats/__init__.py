"""Bands as products, STAC items, ENVI headers and missions describe them."""
