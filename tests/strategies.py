"""Hypothesis strategies shared by the tests."""

from hypothesis import strategies as st

from georaster_dl.tiling.tiles import Tiling


@st.composite
def tilings(draw, largest=70):
    """Tilings of any shape from 1 x 1 up, any tile, any halo that leaves a core."""
    stride = draw(st.sampled_from([1, 2, 3, 4, 8]))
    halo = stride * draw(st.integers(0, 3))
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    tile = draw(st.tuples(*[st.integers(2 * halo + 1, 2 * halo + 40)] * 2))
    return Tiling(shape, tile=tile, halo=halo, stride=stride)
