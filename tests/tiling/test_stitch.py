"""Laws of the stitching: identity, constants, invariance to how the work is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.tiling.stitch import Stitcher
from georaster_dl.tiling.tiles import Tiling
from tests.strategies import tilings


@st.composite
def jobs(draw):
    tiling = draw(tilings())
    return tiling, draw(st.integers(0, tiling.largest_margin()))


def run(tiling, margin, field, *, first_strip=0):
    """Stitch ``field(tile, rows, cols)`` over all strips from ``first_strip``; count the hits."""
    stitcher = Stitcher(tiling, margin)
    out = np.full((2, *tiling.shape), np.nan, np.float32)
    hits = np.zeros(tiling.shape, int)
    for row in range(first_strip, tiling.grid[0]):
        for tile in tiling.strip(row):
            block = stitcher.add(tile, field(tile, *stitcher.reach(tile)).astype(np.float32))
            rows, cols = stitcher.final(tile)
            out[:, rows, cols] = block
            hits[rows, cols] += 1
    return out, hits


@given(jobs())
def test_identity_returns_the_scene_and_every_pixel_is_final_once(job):
    tiling, margin = job
    scene = np.random.default_rng(0).random((2, *tiling.shape), dtype=np.float32)
    out, hits = run(tiling, margin, lambda _, rows, cols: scene[:, rows, cols])
    assert (hits == 1).all()
    assert np.array_equal(out, scene)


@given(jobs(), st.floats(-1e6, 1e6, width=32))
def test_a_constant_field_returns_exactly_that_constant(job, constant):
    tiling, margin = job
    scene = np.full((2, *tiling.shape), constant, np.float32)
    out, _ = run(tiling, margin, lambda _, rows, cols: scene[:, rows, cols])
    assert np.array_equal(out, scene)


@given(jobs())
def test_probabilities_still_sum_to_one_when_tiles_disagree(job):
    tiling, margin = job
    rng = np.random.default_rng(1)

    def field(_, rows, cols):
        p = rng.random((rows.stop - rows.start, cols.stop - cols.start), dtype=np.float32)
        return np.stack([p, 1 - p])

    out, _ = run(tiling, margin, field)
    assert np.allclose(out.sum(0), 1, atol=1e-6)
    assert out.min() >= 0


def per_tile(tile, rows, cols):
    rng = np.random.default_rng([tile.row, tile.col])
    return rng.random((2, rows.stop - rows.start, cols.stop - cols.start))


@given(jobs(), st.data())
def test_a_run_cut_into_strips_is_byte_identical(job, data):
    tiling, margin = job
    whole, _ = run(tiling, margin, per_tile)
    start = data.draw(st.integers(0, tiling.grid[0] - 1))
    # A worker that owns the strips from ``start`` runs the one above too, for the shared seam.
    part, _ = run(tiling, margin, per_tile, first_strip=max(start - 1, 0))
    stitcher = Stitcher(tiling, margin)
    top = stitcher.final(tiling.strip(start)[0])[0].start
    assert part[:, top:].tobytes() == whole[:, top:].tobytes()


def test_a_seam_is_a_half_cosine_from_one_tile_to_the_other():
    tiling = Tiling((4, 40), tile=(4, 28), halo=8, stride=1)
    out, _ = run(
        tiling, 8, lambda tile, rows, cols: np.full((2, 4, cols.stop - cols.start), tile.col)
    )
    seam = tiling.strip(0)[0].core_cols.stop
    ramp = (1 - np.cos(np.pi * (np.arange(16) + 0.5) / 16)) / 2
    assert np.allclose(out[0, 0, seam - 8 : seam + 8], ramp, atol=1e-6)
    assert (out[0, 0, : seam - 8] == 0).all()
    assert (out[0, 0, seam + 8 :] == 1).all()


def test_a_left_out_tile_leaves_its_neighbours_unblended():
    tiling = Tiling((4, 60), tile=(4, 28), halo=8, stride=1)
    stitcher = Stitcher(tiling, 4)
    tiles = tiling.strip(0)
    assert len(tiles) > 2
    for tile in (tiles[0], tiles[2]):
        _, cols = stitcher.reach(tile)
        block = np.full((1, 4, cols.stop - cols.start), 7, np.float32)
        assert (stitcher.add(tile, block) == 7).all()


def test_a_margin_beyond_the_halo_is_refused():
    with pytest.raises(OptionError, match="larger halo"):
        Stitcher(Tiling((64, 64), tile=(32, 32), halo=4), 5)
