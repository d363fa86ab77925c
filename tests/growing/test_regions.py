"""Regions of similar pixels that grow from clicks."""

from itertools import pairwise

import numpy as np
import pytest
import rasterio
import shapely
from scipy import ndimage

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.growing.regions import RegionGrower, Seed
from georaster_dl.growing.similarity import Click, SimilarPixels
from georaster_dl.growing.windows import windows_of
from georaster_dl.predict.engine.network_cache import NetworkCache
from georaster_dl.predict.features import features
from georaster_dl.predict.options import FeatureOptions, FeatureOutputs
from georaster_dl.testing import noise, write_model, write_raster, write_scene

FIELD = (slice(10, 30), slice(20, 60))  # of the scene below; rows, cols


def fields(shape=(80, 100), bands=3, seed=0):
    """Two bright rectangles of one kind on dark ground, with noise; and where the first is."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0.1, 0.004, (bands, *shape))
    # Bright ground, too, so that the spread of the window is not that of the noise.
    image[:, 60:] += 0.1
    for rows, cols in (FIELD, (slice(40, 55), slice(20, 60))):
        image[:, rows, cols] += np.linspace(0.2, 0.3, bands)[:, None, None]
    first = np.zeros(shape, bool)
    first[FIELD] = True
    return image.astype(np.float32), first


@pytest.fixture
def scene(tmp_path):
    image, _first = fields()
    stored = (image * 1e4).astype(np.uint16)
    stored[:, :5] = 0  # nodata
    return write_scene(tmp_path / "scene.tif", stored)


@pytest.fixture
def grower(scene):
    return RegionGrower(windows_of(scene, SceneOptions(), None, "cpu", NetworkCache()))


def at(row, col, *, add=True):
    """Place of a pixel of the scene of these tests."""
    return Seed(500_000 + 10 * (col + 0.5), 5_000_000 - 10 * (row + 0.5), add)


def pixels(values, valid=None):
    valid = np.ones(values.shape[1:], bool) if valid is None else valid
    return SimilarPixels(values, valid)


def test_a_region_is_the_connected_pixels_that_are_alike():
    image, first = fields()
    assert (pixels(image).region([Click(20, 40)], 0.3) == first).all()


def test_bands_of_any_unit_weigh_alike():
    image, first = fields()
    image *= np.array([1, 1e3, 1e-3])[:, None, None]
    image[1] += 1e5
    assert (pixels(image).region([Click(20, 40)], 0.3) == first).all()


def test_a_larger_tolerance_takes_more_and_never_less():
    grown = [
        pixels(noise((60, 60)).astype("float32")).region([Click(40, 40)], t)
        for t in (0.3, 0.6, 1.2)
    ]
    for small, large in pairwise(grown):
        assert (small <= large).all()
    assert grown[0].sum() < grown[-1].sum()


def test_a_region_is_connected_by_edges_and_contains_its_click():
    region = pixels(noise((60, 60)).astype("float32")).region([Click(40, 40)], 0.7)
    assert region[40, 40]
    assert ndimage.label(region)[1] == 1


def test_a_second_click_adds_a_region_that_is_apart():
    image, first = fields()
    region = pixels(image).region([Click(20, 40), Click(47, 40)], 0.3)
    assert region[first].all()
    assert region[40:55, 20:60].all()
    assert region.sum() == first.sum() + 15 * 40


def test_a_click_that_removes_keeps_what_is_nearer_to_it():
    image, first = fields()
    # Of alike pixels, those nearer on the ground.
    half = pixels(image).region([Click(20, 25), Click(20, 54, add=False)], 0.3)
    assert half[10:30, 20:38].all()
    assert not half[:, 42:].any()
    assert (half <= first).all()


def test_a_click_that_removes_takes_a_hole_of_its_own():
    image, first = fields()
    image[:, 18:22, 38:42] -= 0.1
    filled = pixels(image).region([Click(14, 30)], 0.3)
    assert (filled == first).all()
    open_ = pixels(image).region([Click(14, 30), Click(20, 40, add=False)], 0.3)
    assert not open_[18:22, 38:42].any()
    assert open_.sum() == first.sum() - 16


def test_what_is_not_measured_is_in_no_region_and_changes_none():
    image, first = fields()
    valid = np.ones(first.shape, bool)
    valid[15:18, 30:34] = False
    image[:, ~valid] = np.nan
    region = pixels(image, valid).region([Click(20, 40)], 0.3)
    assert (region == (first & valid)).all()


def test_an_outline_follows_the_edges_of_its_pixels(grower, scene):
    region = grower.grow([at(20, 40)], 0.3)
    with rasterio.open(scene) as dataset:
        expected = shapely.box(*dataset.transform * (20, 30), *dataset.transform * (60, 10))
    assert region.geometry.equals(expected)
    assert region.pixels == 20 * 40
    assert region.area_m2 == pytest.approx(20 * 40 * 100)
    assert not region.cut


def test_a_region_that_ends_where_the_window_does_says_so(grower):
    assert grower.grow([at(20, 40)], 0.3, window=32).cut
    assert not grower.grow([at(20, 40)], 0.3, window=64).cut


def test_the_window_of_a_click_is_read_once(grower, monkeypatch):
    grower.grow([at(20, 40)], 0.3)
    monkeypatch.setattr(grower._windows, "read", lambda *_window: pytest.fail("read again"))
    assert grower.grow([at(20, 40), at(47, 40)], 0.4).pixels == 20 * 40 + 15 * 40


@pytest.mark.parametrize(
    ("clicks", "said"),
    [
        ([at(2, 40)], "no measurement at 500405, 4999975"),
        ([at(-1, 40)], "outside of the scene"),
        ([at(20, 40, add=False)], "none of 1 clicks adds"),
        ([at(20, 2), at(20, 99)], "98 pixels apart, but the window is 64"),
    ],
)
def test_clicks_that_begin_nothing_are_refused(grower, clicks, said):
    with pytest.raises(OptionError, match=said):
        grower.grow(clicks, 0.3, window=64)


def test_a_raster_without_a_place_is_refused(tmp_path):
    plain = write_raster(
        tmp_path / "a.tif", noise(), crs=None, transform=rasterio.Affine.identity()
    )
    with pytest.raises(OSError, match="no georeferencing"):
        RegionGrower(windows_of(plain, SceneOptions(), None, "cpu", NetworkCache()))


def test_features_of_a_window_are_those_of_the_whole_scene(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise((200, 210)))
    model = write_model(tmp_path / "toy.safetensors")
    features(str(scene), model, FeatureOutputs(tmp_path / "f.tif"), FeatureOptions())
    windows = windows_of(scene, SceneOptions(), model, "cpu", NetworkCache())
    made = windows.read(slice(81, 145), slice(75, 139))
    with rasterio.open(tmp_path / "f.tif") as whole:
        expected = whole.read(window=((81, 145), (75, 139)))
    assert made.valid.all()
    # Up to the rounding of sums in another order.
    np.testing.assert_allclose(made.array, expected, rtol=1e-4, atol=1e-3)
