"""The cached labelled: what was decoded is what the scene and the labels hold, and no more is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OutputError
from georaster_dl.training.data.cache import CachedScene, CacheFolder, PatchCache, _runs, _widened
from georaster_dl.training.data.labelled_scenes import open_labelled_scenes
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig


def labelled_of(make_tif, image, labels, **profile):
    pair = SceneWithLabels(
        str(make_tif(image, nodata=0)), make_tif(labels, "labels.tif", **profile)
    )
    return open_labelled_scenes([pair], TrainConfig())[0]


@pytest.fixture
def labelled(make_tif):
    """Labels in two far corners of a scene of 200 x 240 pixels, one of them partly on nodata."""
    rng = np.random.default_rng(0)
    image = rng.integers(1, 1000, (3, 200, 240)).astype(np.uint16)
    image[:, :5, :5] = 0
    labels = np.full((200, 240), 255, np.uint8)
    labels[:20, :20] = 4
    labels[10:20, :20] = 9
    labels[190:, 225:] = 9
    return labelled_of(make_tif, image, labels, nodata=255)


def test_what_is_read_is_what_the_files_hold(labelled, tmp_path):
    with CacheFolder(tmp_path / "model.safetensors") as folder:
        cached = CachedScene.fill(labelled, folder, 0, reach=32)
        numbers, valid, labels = cached.cache.read(slice(0, 50), slice(0, 50))
        raster = labelled.scene.read(slice(0, 50), slice(0, 50))
        np.testing.assert_array_equal(valid, raster.valid)
        np.testing.assert_array_equal(numbers[:, valid], raster.array[:, valid])
        assert (labels[:5, :5] == -1).all()  # labelled, but nodata
        assert (labels[5:10, :20] == 0).all()
        assert (labels[10:20, :20] == 1).all()
        assert (labels[20:] == -1).all()


def test_counts_are_of_labelled_and_valid_pixels(labelled, tmp_path):
    with CacheFolder(tmp_path / "model.safetensors") as folder:
        cached = CachedScene.fill(labelled, folder, 0, reach=0)
        assert cached.index.totals.tolist() == [200 - 25, 200 + 150]


def test_ground_beyond_reach_is_not_kept(labelled, tmp_path):
    with CacheFolder(tmp_path / "model.safetensors") as folder:
        cached = CachedScene.fill(labelled, folder, 0, reach=16)
        _, valid, labels = cached.cache.read(slice(90, 110), slice(90, 110))
        assert not valid.any()
        assert (labels == -1).all()


def test_other_processes_read_what_the_first_stored(labelled, tmp_path):
    model = tmp_path / "model.safetensors"
    with CacheFolder(model) as folder:
        first = CachedScene.fill(labelled, folder, 0, reach=16)
        with CacheFolder(model, leader=False) as shared:
            second = CachedScene.fill(labelled, shared, 0, reach=16)
        np.testing.assert_array_equal(first.index.counts, second.index.counts)
        for a, b in zip(
            first.cache.read(slice(0, 20), slice(0, 20)),
            second.cache.read(slice(0, 20), slice(0, 20)),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)
    assert list(tmp_path.glob(".*")) == []


def test_two_runs_beside_each_other_have_ground_of_their_own(tmp_path):
    model = tmp_path / "model.safetensors"
    with CacheFolder(model) as one, CacheFolder(model) as other:
        assert one.path != other.path
        assert one.path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    with (
        pytest.raises(OutputError, match="Cannot write"),
        CacheFolder(tmp_path / "nowhere/model.safetensors"),
    ):
        pass


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 9), st.integers(0, 99))
def test_widening_reaches_every_cell_within_and_no_other(rows, cols, reach, seed):
    cells = np.random.default_rng(seed).random((rows, cols)) < 0.03
    wide = _widened(cells, reach)
    for row, col in np.ndindex(rows, cols):
        near = cells[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1]
        assert wide[row, col] == near.any()


@given(st.lists(st.booleans(), max_size=40))
def test_runs_are_the_flags_that_are_set(flags):
    found = np.zeros(len(flags), bool)
    for run in _runs(flags):
        assert not found[run].any()
        found[run] = True
    assert found.tolist() == flags


@given(st.integers(0, 40), st.integers(0, 50), st.integers(1, 30), st.integers(1, 30))
def test_windows_are_crops_of_what_was_written(shared_cache, row, col, height, width):
    cache, whole = shared_cache
    rows, cols = slice(row, min(row + height, 60)), slice(col, min(col + width, 70))
    numbers, valid, labels = cache.read(rows, cols)
    expected = np.where(whole[0] > 0, whole, 0)[:, rows, cols]
    np.testing.assert_array_equal(np.where(valid, numbers, 0), expected)
    np.testing.assert_array_equal(valid, whole[0, rows, cols] > 0)
    np.testing.assert_array_equal(labels, np.where(valid, whole[1, rows, cols], np.nan))


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    from types import SimpleNamespace

    scene = SimpleNamespace(shape=(60, 70), planes=(1, 2, 3), dtype=np.dtype("float32"))
    labelled = SimpleNamespace(
        scene=scene, labels="labels.tif", numeric=True, planes=(), instances=False
    )
    cache = PatchCache(tmp_path_factory.mktemp("cache") / "000000", labelled)
    whole = np.random.default_rng(0).normal(size=(3, 60, 70)).astype(np.float32)
    cache.create()
    for rows, cols in (
        (slice(0, 33), slice(0, 70)),
        (slice(33, 60), slice(0, 20)),
        (slice(33, 60), slice(20, 70)),
    ):
        cache.write_labels(rows, cols, whole[1, rows, cols])
        cache.write_values(rows, cols, whole[:, rows, cols], whole[0, rows, cols] > 0)
    return cache, whole
