"""Laws of the split of ground: no pixel in two parts, and a distance between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.tiling.sampling import LabelIndex
from georaster_dl.tiling.split_blocks import (
    NO_PART,
    TEST,
    TRAIN,
    VALIDATION,
    SplitMask,
    assign,
    block_side,
    separated,
    with_nearest_part,
)

SHARES = (0.7, 0.15, 0.15)


def random_parts(draw):
    rows, cols = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return rng.integers(0, 3, (rows, cols)).astype(np.int8)


@st.composite
def masks(draw):
    blocks = random_parts(draw)
    cell, side, gap = (
        draw(st.sampled_from([1, 2, 4])),
        draw(st.integers(1, 3)),
        draw(st.integers(0, 6)),
    )
    rows, cols = (n * side * cell - draw(st.integers(0, side * cell - 1)) for n in blocks.shape)
    index = LabelIndex.of((rows, cols), cell, np.ones((-(-rows // cell), -(-cols // cell), 1)))
    return SplitMask.blocks(index, side, blocks, gap), gap


@given(masks())
def test_parts_never_share_a_pixel_and_keep_their_distance(made):
    mask, gap = made
    rows, cols = mask.shape
    whole = slice(0, rows), slice(0, cols)
    masks = [mask.window(part, *whole) for part in (TRAIN, VALIDATION, TEST)]
    assert (np.sum(masks, axis=0) <= 1).all()
    for part in (TRAIN, VALIDATION, TEST):
        others = np.any([m for i, m in enumerate(masks) if i != part], axis=0)
        for row, col in np.argwhere(masks[part]):
            near = others[max(row - gap, 0) : row + gap + 1, max(col - gap, 0) : col + gap + 1]
            assert not near.any()


@given(masks(), st.integers(0, 20), st.integers(0, 20))
def test_a_window_of_the_mask_is_a_crop_of_the_whole(made, row, col):
    mask, _ = made
    rows, cols = mask.shape
    row, col = min(row, rows - 1), min(col, cols - 1)
    whole = mask.window(TRAIN, slice(0, rows), slice(0, cols))
    window = mask.window(TRAIN, slice(row, rows), slice(col, cols))
    np.testing.assert_array_equal(window, whole[row:, col:])


def test_kept_apart_leaves_one_part_alone():
    cells = np.zeros((5, 5), np.int8)
    np.testing.assert_array_equal(separated(cells, 100, 8), cells)
    cells[:, 3:] = VALIDATION
    kept = separated(cells, 16, 8)
    assert (kept[:, 2:4] == NO_PART).all()
    assert (kept[:, :2] == TRAIN).all()
    assert (kept[:, 4] == VALIDATION).all()


def test_ground_of_nobody_goes_to_the_nearest_part():
    cells = np.full((1, 7), NO_PART, np.int8)
    cells[0, 0], cells[0, 6] = TRAIN, TEST
    assert with_nearest_part(cells)[0, :3].tolist() == [TRAIN] * 3
    assert with_nearest_part(cells)[0, 4:].tolist() == [TEST] * 3
    empty = np.full((2, 2), NO_PART, np.int8)
    np.testing.assert_array_equal(with_nearest_part(empty), empty)


@given(st.integers(8, 60), st.integers(1, 5), st.integers(0, 999))
def test_every_part_gets_units_and_classes_that_can_be_shared_are(n, n_classes, seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 100, (n, n_classes))
    parts = assign(counts, SHARES, seed)
    for part, share in enumerate(SHARES):
        held = counts[parts == part].sum() / counts.sum()
        assert abs(held - share) < 0.15
        assert counts[parts == part].any(axis=0).all()


def test_a_class_in_a_single_unit_is_for_training():
    counts = np.zeros((20, 2), np.int64)
    counts[:, 0] = 100
    counts[7, 1] = 5
    for seed in range(5):
        assert assign(counts, SHARES, seed)[7] == TRAIN


def test_the_seed_decides():
    counts = np.random.default_rng(0).integers(1, 50, (30, 3))
    np.testing.assert_array_equal(assign(counts, SHARES, 3), assign(counts, SHARES, 3))
    assert (assign(counts, SHARES, 3) != assign(counts, SHARES, 4)).any()


def test_no_test_share_makes_no_test_part():
    parts = assign(np.full((20, 1), 10), (0.8, 0.2, 0.0), 0)
    assert set(parts.tolist()) == {TRAIN, VALIDATION}


def test_too_few_units_are_an_error():
    with pytest.raises(
        OptionError, match=r"3 parts \(train, validation, test\).* but 2 labelled blocks"
    ):
        assign(np.full((2, 1), 10), SHARES, 0)


def test_blocks_are_as_large_as_leaves_enough_of_them():
    whole = LabelIndex.of((512, 512), 8, np.ones((64, 64, 2), np.int64))
    assert block_side([whole]) == 12  # 96 pixels: 36 blocks; 128 pixels would leave 16
    tiny = LabelIndex.of((32, 32), 8, np.ones((4, 4, 1), np.int64))
    assert block_side([tiny]) == 2
