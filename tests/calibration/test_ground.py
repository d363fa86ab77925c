"""Labelled pixels are spread over blocks, and whole blocks belong to a half."""

import numpy as np
import pytest

from georaster_dl.calibration.ground import choose_pixels, open_labels
from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.testing import noise, write_labels, write_scene
from tests.calibration.conftest import NAMES


@pytest.fixture
def opened(tmp_path, model):
    """Open labels of a class raster on a scene of its size."""
    from georaster_dl.models.package.file import read_card

    def make(*classes, names=NAMES):
        scenes, files = [], []
        for number, each in enumerate(classes):
            scenes.append(open_scene(write_scene(tmp_path / f"s{number}.tif", noise(each.shape))))
            files.append(write_labels(tmp_path / f"l{number}.tif", each, names=names))
        return open_labels(scenes, files, read_card(model).legend, LabelOptions())

    return make


def crowded(shape=(160, 160)):
    """Labels everywhere in one corner, and few elsewhere."""
    rng = np.random.default_rng(0)
    classes = rng.integers(1, 5, shape).astype(np.uint8)
    classes[(rng.random(shape) < 0.95) & (np.indices(shape).max(axis=0) >= 40)] = 255
    return classes


def test_all_are_taken_where_they_are_few(opened):
    classes = crowded()
    (found,) = choose_pixels(opened(classes), 4, most=200_000, seed=0)
    places = found.places
    assert len(places) == (classes != 255).sum()
    assert np.array_equal(found.target, classes[places.row, places.col].astype(int) - 1)
    assert (np.diff(places.row) >= 0).all()


def test_crowded_blocks_do_not_outweigh_the_others(opened):
    (found,) = choose_pixels(opened(crowded()), 4, most=800, seed=0)
    assert 700 < len(found.places) < 900
    counts = np.unique(found.block, return_counts=True)[1]
    assert counts.max() < 3 * np.median(counts)


def test_blocks_belong_to_one_half_and_share_the_classes(opened):
    first, second = choose_pixels(opened(crowded(), crowded((160, 240))), 4, most=200_000, seed=0)
    assert not set(first.block) & set(second.block)
    for each in (first, second):
        for block in np.unique(each.block):
            assert len(set(each.half[each.block == block])) == 1
            rows, cols = (
                places[each.block == block] // each.side
                for places in (each.places.row, each.places.col)
            )
            assert len(set(zip(rows, cols, strict=True))) == 1
    half = np.concatenate([first.half, second.half])
    target = np.concatenate([first.target, second.target])
    assert half.mean() == pytest.approx(0.5, abs=0.05)
    assert set(target[half]) == set(target[~half]) == {0, 1, 2, 3}


def test_too_few_pixels_and_blocks_are_refused(opened):
    few = np.full((160, 160), 255, np.uint8)
    few[::20, ::20] = 1
    with pytest.raises(OptionError, match="64 labelled pixels"):
        choose_pixels(opened(few), 4, most=1000, seed=0)
    corner = np.full((160, 160), 255, np.uint8)
    corner[:16, :16] = 1
    with pytest.raises(OptionError, match="4 blocks of 8 pixels a side"):
        choose_pixels(opened(corner), 4, most=1000, seed=0)


def test_classes_that_the_model_has_not_are_named(opened):
    with pytest.raises(OptionError, match="have lava, which the model has not"):
        opened(crowded(), names=NAMES | {4: "lava"})
