"""How well s2-landcover maps what it never learnt from: places, points, clouds, parts of scenes."""
