"""Networks whose outputs are the fractions of materials in a pixel."""
