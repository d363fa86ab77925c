"""Laws of the tiling, on any size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.tiling.tiles import Tiling, round_up
from tests.strategies import tilings


def padded_shape(tiling):
    """Rows, cols of the scene rounded up to the stride."""
    return tuple(round_up(n, tiling.stride) for n in tiling.shape)


@given(tilings())
def test_cores_are_disjoint_and_cover_the_raster(tiling):
    hits = np.zeros(tiling.shape, int)
    for tile in tiling:
        hits[tile.core_rows, tile.core_cols] += 1
    assert (hits == 1).all()


@given(tilings())
def test_every_tile_reads_the_same_shape_from_the_stride_grid(tiling):
    rows, cols = padded_shape(tiling)
    for tile in tiling:
        for outer, size, n in (
            (tile.outer_rows, tiling.tile_shape[0], rows),
            (tile.outer_cols, tiling.tile_shape[1], cols),
        ):
            assert outer.stop - outer.start == size
            assert outer.start % tiling.stride == 0
            assert 0 <= outer.start < outer.stop <= n


@given(tilings())
def test_a_core_has_the_whole_halo_except_at_the_scene_border(tiling):
    rows, cols = padded_shape(tiling)
    for tile in tiling:
        for outer, core, n in (
            (tile.outer_rows, tile.core_rows, rows),
            (tile.outer_cols, tile.core_cols, cols),
        ):
            assert outer.start == 0 or core.start - outer.start >= tiling.halo
            assert outer.stop == n or outer.stop - core.stop >= tiling.halo


@given(tilings())
def test_no_tile_is_empty(tiling):
    for tile in tiling:
        assert tile.core_rows.stop > tile.core_rows.start
        assert tile.core_cols.stop > tile.core_cols.start


@given(tilings(), st.data())
def test_identity_over_tiles_returns_the_scene(tiling, data):
    shape = padded_shape(tiling)
    scene = np.arange(np.prod(shape)).reshape(shape)
    out = np.full(tiling.shape, -1)
    for tile in tiling:
        read = scene[tile.outer_rows, tile.outer_cols]
        out[tile.core_rows, tile.core_cols] = read[tile.inner_rows, tile.inner_cols]
    assert (out == scene[: tiling.shape[0], : tiling.shape[1]]).all()


def test_four_tiles_of_1120_cover_4096_at_halo_64():
    tiling = Tiling((4096, 4096), tile=(1152, 1152), halo=64, stride=32)
    assert tiling.grid == (4, 4)
    assert tiling.tile_shape == (1120, 1120)


@pytest.mark.parametrize(
    ("shape", "tile", "halo", "stride"),
    [
        ((0, 5), (8, 8), 0, 1),
        ((5, 5), (8, 8), -1, 1),
        ((5, 5), (8, 8), 3, 2),
        ((100, 100), (8, 8), 4, 1),
    ],
)
def test_impossible_sizes_are_refused(shape, tile, halo, stride):
    with pytest.raises(OptionError, match="halo"):
        Tiling(shape, tile=tile, halo=halo, stride=stride)
