"""Laws of the label index and of the choice of patches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.tiling.sampling import LabelIndex, PatchSampler, cell_side


def index_of(labels, cell=8, n_classes=3):
    """Index of (rows, cols) class indexes with -1 for none."""
    rows, cols = labels.shape
    counts = np.zeros((-(-rows // cell), -(-cols // cell), n_classes), np.int64)
    for row, col in np.argwhere(labels >= 0):
        counts[row // cell, col // cell, labels[row, col]] += 1
    return LabelIndex.of(labels.shape, cell, counts)


@st.composite
def label_maps(draw):
    rows, cols = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (rows, cols))
    labels[rng.random((rows, cols)) < draw(st.sampled_from([0.0, 0.5, 0.98]))] = -1
    return labels


@given(label_maps())
def test_the_index_counts_every_label_once(labels):
    index = index_of(labels)
    np.testing.assert_array_equal(index.totals, [(labels == k).sum() for k in range(3)])
    everything = np.ones(index.grid, bool)
    np.testing.assert_array_equal(index.within(everything).totals, index.totals)
    assert not len(index.within(~everything).rows)


@given(label_maps(), st.sampled_from([3, 4, 8, 12, 16, 32]))
def test_the_grid_holds_every_label_exactly_once(labels, patch):
    index = index_of(labels)
    if not len(index.rows):
        return
    seen = np.zeros(labels.shape, int)
    for window in PatchSampler([index], "grid", patch).windows:
        assert window.row % patch == 0
        assert window.col % patch == 0
        seen[window.row : window.row + patch, window.col : window.col + patch] += 1
    assert (seen[labels >= 0] == 1).all()
    assert (seen <= 1).all()


@given(label_maps(), st.sampled_from(["balanced", "random"]), st.integers(8, 90), st.integers(0, 9))
def test_drawn_windows_lie_inside_the_scene_or_cover_it(labels, kind, side, seed):
    index = index_of(labels)
    if not len(index.rows):
        return
    sampler = PatchSampler([index], kind, side)
    window = sampler.draw(np.random.default_rng(seed), 0, side)
    for start, n in zip((window.row, window.col), labels.shape, strict=True):
        if n >= side:
            assert 0 <= start <= n - side
        else:
            assert start <= 0
            assert start + side >= n


def test_balanced_sampling_finds_the_rare_class_as_often_as_the_common_one():
    labels = np.zeros((400, 400), int)
    labels[200, 200] = 1
    sampler = PatchSampler([index_of(labels, n_classes=2)], "balanced", 32)
    rng = np.random.default_rng(0)
    near = 0
    for number in range(400):
        window = sampler.draw(rng, number, 32)
        near += abs(window.row + 16 - 200) < 24 and abs(window.col + 16 - 200) < 24
    assert 160 < near < 240
    random = PatchSampler([index_of(labels, n_classes=2)], "random", 32)
    assert sum(abs(random.draw(rng, i, 32).row + 16 - 200) < 24 for i in range(400)) < 120


def test_scenes_are_drawn_by_their_labels():
    much, little = np.zeros((80, 80), int), np.full((80, 80), -1)
    little[:8, :8] = 0
    sampler = PatchSampler([index_of(little), index_of(much)], "random", 16)
    rng = np.random.default_rng(1)
    scenes = [sampler.draw(rng, i, 16).scene for i in range(500)]
    assert 0 < scenes.count(0) < 25


def test_an_epoch_of_a_grid_repeats_no_window_before_all_were_seen():
    sampler = PatchSampler([index_of(np.zeros((64, 64), int))], "grid", 16)
    order = sampler.order(np.random.default_rng(0), 40)
    assert sorted(order[:16]) == list(range(16))
    assert len(order) == 40
    assert list(order) != sorted(order)


def test_no_label_is_an_error():
    with pytest.raises(OptionError, match="no labelled, valid pixel"):
        PatchSampler([index_of(np.full((20, 20), -1))], "balanced", 16)


def test_large_scenes_get_larger_cells():
    assert cell_side((512, 512)) == 4
    assert cell_side((10_980, 10_980)) == 64
    assert cell_side((1, 100_000)) == 4
