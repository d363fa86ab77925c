"""Samples of parcels and of pixels, drawn from a stack."""

import geopandas
import numpy as np
import pytest
from shapely.geometry import Point

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Warned
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.testing import write_labels
from georaster_dl.timeseries.parcels import zones
from georaster_dl.timeseries.parcels.draw import PixelDraw
from georaster_dl.timeseries.parcels.samples import (
    SampleOptions,
    samples_of_parcels,
    samples_of_pixels,
)
from tests.timeseries.parcels.conftest import DATES, LEFT, SIZE, TOP, cells, write_parcels

LARGE, THIN = cells((2, 12), (3, 23)), cells((20, 22), (10, 13))


def test_the_pixels_of_a_parcel_are_its_own(stack, values, tmp_path):
    path = write_parcels(
        tmp_path / "p.gpkg", [LARGE, THIN], **{"class": ["wheat", "maize"]}, region=["a", "b"]
    )
    samples = samples_of_parcels(stack, path)
    assert samples.sensors[0].values.shape == (2, 5, 2, 64)
    assert samples.legend.names == ["maize", "wheat"]
    assert samples.labels.tolist() == [1, 0]
    assert (samples.sensors[0].dates[0].astype(str) == DATES).all()
    thin = samples.sensors[0].values[1]
    expected = values[:, :, 20:22, 10:13].reshape(5, 2, 6)
    order, found = np.lexsort(np.nan_to_num(expected).reshape(10, -1)), thin[:, :, :6]
    again = np.lexsort(np.nan_to_num(found).reshape(10, -1))
    np.testing.assert_array_equal(found[..., again], expected[..., order])
    assert np.isnan(thin[:, :, 6:]).all()
    inside = {tuple(v) for v in np.nan_to_num(values[:, :, 2:12, 3:23]).reshape(10, -1).T}
    picked = {tuple(v) for v in np.nan_to_num(samples.sensors[0].values[0]).reshape(10, -1).T}
    assert len(picked) == 64
    assert picked < inside
    assert samples.groups["region"].tolist() == ["a", "b"]
    assert samples.groups["parcel"].tolist() == [1, 2]
    assert samples.geometry.shape == (2, 4)
    assert samples.geometry[0, 0] == pytest.approx(np.log(600))
    assert samples.geometry[0, 1] == pytest.approx(np.log(200))
    assert samples.lonlat[0] == pytest.approx((3.0016, 45.15), abs=0.01)


def test_the_drawing_is_the_same_for_any_windows_and_differs_by_seed(stack, tmp_path, monkeypatch):
    path = write_parcels(tmp_path / "p.gpkg", [LARGE], crop=["wheat"])
    whole = samples_of_parcels(stack, path, SampleOptions(pixels=20)).sensors[0].values
    other = samples_of_parcels(stack, path, SampleOptions(pixels=20, seed=1)).sensors[0].values
    monkeypatch.setattr(zones, "_WINDOW_BYTES", 4 * 10 * 7)
    pieces = samples_of_parcels(stack, path, SampleOptions(pixels=20)).sensors[0].values
    np.testing.assert_array_equal(whole, pieces)
    assert not np.array_equal(np.nan_to_num(whole), np.nan_to_num(other))


def test_parcels_beside_without_class_and_small_are_told_of(stack, values, tmp_path):
    tiny = cells((30.2, 30.4), (40.6, 40.9))
    beside = cells((100, 110), (0, 10))
    path = write_parcels(
        tmp_path / "p.gpkg", [LARGE, beside, tiny, THIN], crop=["a", "b", "c", None]
    )
    said = []
    samples = samples_of_parcels(stack, path, report=said.append)
    assert [samples.legend.names[i] for i in samples.labels] == ["a", "c"]
    assert samples.groups["small"].tolist() == [False, True]
    np.testing.assert_array_equal(samples.sensors[0].values[1, :, :, 0], values[:, :, 30, 40])
    told = " ".join(event.message for event in said if isinstance(event, Warned))
    for part in ("1 parcel of", "beside the stack", "without a class", "without a pixel's centre"):
        assert part in told
    assert len(samples.remarks) == 3


def test_of_overlapping_parcels_the_last_has_the_pixels(stack, values, tmp_path):
    path = write_parcels(tmp_path / "p.gpkg", [LARGE, cells((2, 12), (3, 13))], crop=["a", "b"])
    samples = samples_of_parcels(stack, path, SampleOptions(pixels=200))
    sizes = np.isfinite(samples.sensors[0].values).any(axis=(1, 2)).sum(axis=1)
    cloudless = np.isfinite(values).any(axis=(0, 1))
    assert sizes.tolist() == [cloudless[2:12, 13:23].sum(), cloudless[2:12, 3:13].sum()]


def test_another_crs_gives_the_same(stack, tmp_path):
    shapes = [LARGE.buffer(-1), THIN.buffer(-1)]
    here = write_parcels(tmp_path / "p.gpkg", shapes, crop=["a", "b"])
    there = write_parcels(tmp_path / "q.gpkg", shapes, crs="EPSG:4326", crop=["a", "b"])
    one, two = samples_of_parcels(stack, here), samples_of_parcels(stack, there)
    np.testing.assert_array_equal(one.sensors[0].values, two.sensors[0].values)
    np.testing.assert_allclose(one.geometry, two.geometry, rtol=1e-3)


def test_parcels_elsewhere_are_refused(stack, tmp_path):
    path = write_parcels(tmp_path / "p.gpkg", [cells((900, 910), (0, 10))], crop=["a"])
    with pytest.raises(OptionError, match="does not touch the scene"):
        samples_of_parcels(stack, path)


def test_samples_that_do_not_fit_into_the_memory_are_refused(stack, tmp_path, monkeypatch):
    path = write_parcels(tmp_path / "p.gpkg", [LARGE], crop=["a"])
    monkeypatch.setattr("georaster_dl.timeseries.parcels.samples.available_memory", lambda: 1000)
    with pytest.raises(OptionError, match="draw fewer .`pixels=`"):
        samples_of_parcels(stack, path)


def test_pixels_of_a_label_raster(stack, values, tmp_path):
    classes = np.full(values.shape[2:], 255, np.uint8)
    classes[:10], classes[20:30, :30] = 1, 2
    path = write_labels(tmp_path / "l.tif", classes, names={1: "crop", 2: "forest"})
    samples = samples_of_pixels(stack, path, SampleOptions(per_class=50))
    assert np.bincount(samples.labels).tolist() == [50, 50]
    assert samples.sensors[0].values.shape == (100, 5, 2)
    pixels = {tuple(v) for v in np.nan_to_num(values[:, :, :10]).reshape(10, -1).T}
    crops = samples.sensors[0].values[samples.labels == 0]
    assert {tuple(np.nan_to_num(v).ravel()) for v in crops} < pixels
    assert set(samples.groups["block"]) <= {"0 0", "0 1"}


def test_pixels_of_polygons_know_their_parcel(stack, tmp_path):
    path = write_parcels(tmp_path / "p.gpkg", [LARGE, THIN], crop=["a", "b"])
    samples = samples_of_pixels(stack, path)
    assert samples.groups["parcel"].value_counts().to_dict() == {1: 200, 2: 6}
    assert (samples.labels[samples.groups["parcel"] == 2] == 1).all()


def test_pixels_of_points(stack, values, tmp_path):
    places = [(3, 4), (40, 50), (17, 2)]
    centres = [Point(LEFT + SIZE * (c + 0.4), TOP - SIZE * (r + 0.4)) for r, c in places]
    frame = geopandas.GeoDataFrame({"kind": ["a", "b", "a"]}, geometry=centres, crs="EPSG:32631")
    frame.to_file(tmp_path / "points.gpkg")
    options = SampleOptions(LabelOptions(class_field="kind"))
    samples = samples_of_pixels(stack, tmp_path / "points.gpkg", options)
    assert sorted(samples.labels.tolist()) == [0, 0, 1]
    (number,) = np.flatnonzero(samples.labels == 1)
    np.testing.assert_array_equal(samples.sensors[0].values[number], values[:, :, 40, 50])


def test_a_draw_keeps_the_smallest_numbers_however_it_is_fed(monkeypatch):
    rng = np.random.default_rng(0)
    rows, cols = (each.ravel() for each in np.mgrid[:50, :40])
    group = rng.integers(0, 3, rows.size)
    whole = PixelDraw(30, 7)
    whole.add(group, rows, cols)
    monkeypatch.setattr("georaster_dl.timeseries.parcels.draw._MOST_WAITING", 100)
    pieces = PixelDraw(30, 7)
    for part in np.array_split(rng.permutation(rows.size), 23):
        pieces.add(group[part], rows[part], cols[part])
    one, two = whole.drawn(), pieces.drawn()
    for name in ("group", "slot", "rows", "cols"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert np.bincount(one.group).tolist() == [30, 30, 30]
    spread = one.rows[one.group == 0]
    assert 10 < spread.mean() < 40
