"""Patches: no ground shared between parts, the same whoever reads them, exact statistics."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from georaster_dl.core.errors import OptionError
from georaster_dl.tiling.sampling import Window
from georaster_dl.tiling.split_blocks import TEST, TRAIN, VALIDATION
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.datasets import EpochSampler, EvaluationPatches, TrainingPatches
from georaster_dl.training.data.scaling import Scaling
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.settings.config import TrainConfig

SHAPE = (300, 260)


def place_of_pixel(shape):
    """A band whose numbers say where a pixel is, from 1."""
    return np.arange(1, 1 + shape[0] * shape[1], dtype=np.float64).reshape(shape)


@pytest.fixture
def pair(make_tif):
    """A scene that tells each pixel's place, and labels of three classes with gaps."""
    rng = np.random.default_rng(0)
    labels = np.kron(rng.choice([1, 10, 14], (15, 13)), np.ones((20, 20))).astype(np.uint8)
    labels[:40, :60] = 255
    scene = make_tif(
        np.stack([place_of_pixel(SHAPE), rng.normal(0.2, 0.1, SHAPE)]), nodata=0, name="scene.tif"
    )
    return SceneWithLabels(str(scene), make_tif(labels, name="labels.tif", nodata=255))


def loaded(pair, config, warn):
    """The data, its ground stored beside the scene."""
    folder = CacheFolder(Path(pair.scene).with_name("model.safetensors"))
    return load_training_data([pair], config, folder.__enter__(), warn)


def data_of(pair, **settings):
    config = TrainConfig.of({"patches": {"size": 32}, **settings})

    def warn(message):
        assert message.startswith("the gap between the parts takes")

    return loaded(pair, config, warn)


def seen_by(data, part, windows):
    """(rows, cols) True where any of the windows shows a part a pixel."""
    reader = data.split.reader(part)
    seen = np.zeros(SHAPE, bool)
    for window in windows:
        image, valid, target = reader.read(window)
        places = image[0][valid].astype(np.int64) - 1
        seen.ravel()[places] = True
        assert not (target[~valid] >= 0).any()
    return seen


@pytest.mark.parametrize("kind", ["blocks", "random"])
@pytest.mark.parametrize("seed", [0, 1])
def test_training_and_validation_never_share_a_pixel_nor_a_halo(pair, kind, seed):
    """What the network sees of one part, halos and zoomed patches included, no other part sees."""
    buffer = 24
    data = (
        data_of(pair, split={"kind": kind, "buffer": buffer, "block": 48}, seed=seed)
        if (kind == "blocks")
        else _leaking(pair, seed)
    )
    rng = np.random.default_rng(seed)
    sampler = data.split.sampler(TRAIN, "balanced", 32)
    # Wider than any patch: also what lies in the halo around it.
    drawn = [sampler.draw(rng, number, 96) for number in range(150)]
    seen = {TRAIN: seen_by(data, TRAIN, drawn)}
    for part in (VALIDATION, TEST):
        seen[part] = seen_by(data, part, data.evaluation_windows(part))
        assert seen[part].any()
    gap = buffer if kind == "blocks" else 0
    for part, others in ((VALIDATION, (TRAIN, TEST)), (TEST, (TRAIN, VALIDATION))):
        for row, col in np.argwhere(seen[part])[::7]:
            near = slice(max(row - gap, 0), row + gap + 1), slice(max(col - gap, 0), col + gap + 1)
            assert not any(seen[other][near].any() for other in others)


def _leaking(pair, seed):
    told = []
    config = TrainConfig.of({"patches": {"size": 32}, "split": {"kind": "random"}, "seed": seed})
    data = loaded(pair, config, told.append)
    assert any("leaks" in message for message in told)
    assert "leaks" in data.split.caution
    return data


@given(st.integers(-40, 290), st.integers(-40, 250), st.integers(1, 80))
@settings(max_examples=25)
def test_a_window_shows_what_is_there(shared_data, row, col, side):
    reader = shared_data.split.reader(TRAIN)
    image, valid, _ = reader.read(Window(0, row, col, side))
    rows, cols = valid.nonzero()
    expected = place_of_pixel(SHAPE)[rows + row, cols + col]
    np.testing.assert_array_equal(image[0][valid], expected)
    inside = (slice(max(row, 0), max(row + side, 0)), slice(max(col, 0), max(col + side, 0)))
    ours = shared_data.split.masks[0].window(TRAIN, slice(0, SHAPE[0]), slice(0, SHAPE[1]))[inside]
    assert valid.sum() == ours.sum()


@pytest.fixture(scope="module")
def shared_data(tmp_path_factory):
    import rasterio
    from rasterio.transform import from_origin

    folder = tmp_path_factory.mktemp("scene")
    profile = {
        "driver": "GTiff", "crs": "EPSG:32631", "transform": from_origin(500_000, 5_000_000, 10, 10),
        "height": SHAPE[0], "width": SHAPE[1], "count": 1,
    }  # fmt: skip
    with rasterio.open(folder / "scene.tif", "w", dtype="float64", **profile) as dataset:
        dataset.write(place_of_pixel(SHAPE), 1)
    with rasterio.open(folder / "labels.tif", "w", dtype="uint8", **profile) as dataset:
        rng = np.random.default_rng(1)
        dataset.write(np.kron(rng.choice([1, 2], (15, 13)), np.ones((20, 20))).astype("uint8"), 1)
    return data_of(SceneWithLabels(str(folder / "scene.tif"), folder / "labels.tif"))


def test_classes_with_gaps_come_as_indexes(pair):
    data = data_of(pair)
    assert data.scenes[0].legend.values == [1, 10, 14]
    reader = data.split.reader(TRAIN)
    windows = data.split.sampler(TRAIN, "grid", 64).windows
    classes = np.unique(np.concatenate([reader.read(w)[2].ravel() for w in windows]))
    assert classes.tolist() == [-1, 0, 1, 2]


def test_statistics_are_those_of_the_training_ground(pair):
    data = data_of(pair)
    reader = data.split.reader(TRAIN)
    windows = data.split.sampler(TRAIN, "grid", 32).windows
    scaling = Scaling.measure(reader, windows)
    pixels = np.concatenate([image[:, valid] for image, valid, _ in map(reader.read, windows)], 1)
    np.testing.assert_allclose(scaling.mean, pixels.astype(np.float64).mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(scaling.std, pixels.astype(np.float64).std(axis=1), rtol=1e-9)
    assert (scaling.apply(pixels[:, None], np.zeros((1, pixels.shape[1]), bool)) == 0).all()


def test_a_band_that_never_varies_is_zero(make_tif):
    scene = make_tif(np.full((1, 120, 120), 7, np.uint8))
    labels = np.kron(np.indices((6, 6)).sum(axis=0) % 2 + 1, np.ones((20, 20))).astype(np.uint8)
    data = data_of(SceneWithLabels(str(scene), make_tif(labels, name="labels.tif")))
    reader = data.split.reader(TRAIN)
    scaling = Scaling.measure(reader, data.split.sampler(TRAIN, "grid", 32).windows)
    assert (scaling.mean[0], scaling.std[0]) == (7, 1)


def patches_of(pair):
    data = data_of(pair, augment={"scale": 0.3}, seed=5)
    return TrainingPatches(replace(data, per_epoch=12)), replace(data, per_epoch=12)


@pytest.mark.parametrize("workers", [0, 2])
def test_patches_do_not_depend_on_who_reads_them(pair, workers):
    patches, data = patches_of(pair)
    keys = EpochSampler(data)
    keys.set_epoch(3)
    loader = DataLoader(patches, 4, sampler=keys, num_workers=workers)
    images = torch.cat([image for image, _ in loader])
    again = np.stack([patches[3, number][0] for number in range(12)])
    np.testing.assert_array_equal(images.numpy(), again)
    assert (patches[4, 0][0] != patches[3, 0][0]).any()


@pytest.mark.slow
def test_readers_do_not_disturb_each_other(pair):
    """Processes forked after files were read, all in the same files."""
    data = data_of(pair)
    reader = data.split.reader(TRAIN)
    places = np.random.default_rng(0).integers(0, 32, (400, 2))
    windows = [Window(0, int(row), int(col), 96) for row, col in places]
    images = [(reader, window) for window in windows]
    alone = np.stack([reader.read(window)[0] for window in windows])
    loader = DataLoader(images, 1, num_workers=2, collate_fn=_read)
    np.testing.assert_array_equal(np.stack(list(loader)), alone)


def _read(batch):
    reader, window = batch[0]
    return reader.read(window)[0]


def test_every_patch_has_labels_and_its_shape(pair):
    patches, _ = patches_of(pair)
    for number in range(60):
        image, target = patches[0, number]
        assert image.shape == (2, 32, 32)
        assert image.dtype == np.float32
        assert target.shape == (32, 32)
        assert (target >= 0).any()
        assert np.isfinite(image).all()


def test_readers_travel_to_other_processes(pair):
    data = data_of(pair)
    reader = data.split.reader(TRAIN)
    window = data.split.sampler(TRAIN, "grid", 32).windows[0]
    before = reader.read(window)
    after = pickle.loads(pickle.dumps(reader)).read(window)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_processes_share_an_epoch_without_overlap(pair):
    _, data = patches_of(pair)
    shares = [list(EpochSampler(data, rank=r, world=3)) for r in range(3)]
    assert all(len(share) == 4 for share in shares)
    assert sorted(number for share in shares for _, number in share) == list(range(12))


def test_evaluation_shows_every_label_of_the_part_once(pair):
    data = data_of(pair)
    patches = EvaluationPatches(data, VALIDATION)
    labelled = sum(
        int((target >= 0).sum()) for _, target in (patches[i] for i in range(len(patches)))
    )
    assert labelled == data.split.labelled(VALIDATION).sum()


def test_labels_that_are_all_nodata_are_an_error(make_tif):
    scene = make_tif(np.zeros((1, 64, 64), np.uint8), nodata=0)
    labels = make_tif(
        np.ones((1, 64, 64), np.uint8) + np.eye(64, dtype=np.uint8), name="labels.tif"
    )
    with pytest.raises(OptionError, match="No labelled pixel is valid.*check `nodata=`"):
        data_of(SceneWithLabels(str(scene), labels))


def test_one_valid_class_only_is_an_error(make_tif):
    image = np.ones((1, 64, 64), np.uint8)
    image[:, :, 32:] = 0
    labels = np.ones((1, 64, 64), np.uint8)
    labels[:, :, 32:] = 2
    scene = make_tif(image, nodata=0)
    with pytest.raises(OptionError, match="Only the class '1' has labelled, valid pixels"):
        data_of(SceneWithLabels(str(scene), make_tif(labels, name="labels.tif")))


def test_windows_hold_each_band_by_its_own_calibration(make_tif):
    numbers = np.random.default_rng(0).integers(1, 9000, (3, 64, 64)).astype(np.int16)
    scales, offsets = (1e-4, 0.5, 1.0), (-0.1, 0.0, 3.0)
    scene = make_tif(numbers, "scene.tif", scales=scales, offsets=offsets)
    labels = make_tif(np.kron(np.eye(4), np.ones((16, 16))).astype(np.uint8), "labels.tif")
    data = data_of(
        SceneWithLabels(str(scene), labels), split={"kind": "blocks", "buffer": 0, "test": 0.0}
    )
    reader = data.split.reader(TRAIN)
    image, valid, _ = reader.read(Window(0, 0, 0, 64))
    physical = numbers * np.reshape(scales, (3, 1, 1)) + np.reshape(offsets, (3, 1, 1))
    assert valid.any()
    np.testing.assert_allclose(image[:, valid], physical[:, valid], rtol=1e-6, atol=1e-7)
