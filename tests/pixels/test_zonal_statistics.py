"""Means and deviations of polygons are those of their pixels, however small and wherever strips end."""

import geopandas
import numpy as np
import pytest
from shapely.geometry import MultiPolygon, box

from georaster_dl.core.errors import OptionError
from georaster_dl.io.labels.zones import RasterizedZones, read_zones
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.pixels.inputs import strips
from georaster_dl.pixels.inputs.zonal_statistics import zonal_statistics
from georaster_dl.predict.progress import Progress
from tests.fields import LEFT, SIZE, TOP, kinds, outline, values, write_features, write_zones


def pixels_box(top, left, bottom, right):
    """Box from pixel coordinates, fractions allowed."""
    return box(LEFT + left * SIZE, TOP - bottom * SIZE, LEFT + right * SIZE, TOP - top * SIZE)


def measured(path, shapes, crs="EPSG:32631"):
    frame = geopandas.GeoDataFrame(geometry=shapes, crs="EPSG:32631").to_crs(crs)
    scene = open_scene(path)
    burnt = RasterizedZones(frame, scene.geobox, "parcels.gpkg")
    told = []
    progress = Progress(scene.shape[0] * scene.shape[1], told.append)
    found = zonal_statistics(scene, burnt, len(frame), progress)
    assert told[-1].done == told[-1].total
    return found


def expected(array, rows, cols):
    cut = array[:, rows, cols].reshape(len(array), -1).astype(np.float64)
    return np.concatenate([cut.mean(axis=1), cut.std(axis=1)])


@pytest.fixture
def raster(tmp_path):
    array = values(kinds())
    array[:, 40:48, 40:48] = np.nan
    array[1, 60, 60] = np.nan
    return write_features(tmp_path / "f.tif", array), array


@pytest.mark.parametrize("limit", [1, 40_000, 2**26])
def test_figures_are_those_of_the_pixels(raster, monkeypatch, limit):
    path, array = raster
    monkeypatch.setattr(strips, "_STRIP_BYTES", limit)
    shapes = [
        pixels_box(3, 5, 20, 17),
        pixels_box(30.2, 2.2, 30.4, 2.4),  # inside one pixel, off its centre
        pixels_box(50.6, 9.6, 51.4, 10.4),  # across four pixels, around no centre
        MultiPolygon([pixels_box(70, 0, 72, 2), pixels_box(80, 10, 82, 12)]),
        pixels_box(40, 40, 48, 48),  # nothing but nodata
        pixels_box(59, 59, 62, 62),
        pixels_box(-50, -50, -40, -40),  # beside the raster
        pixels_box(90, 70, 200, 200),  # reaching beyond it
    ]
    found = measured(path, shapes)
    np.testing.assert_allclose(found[0], expected(array, slice(3, 20), slice(5, 17)), rtol=1e-5)
    np.testing.assert_allclose(found[1], expected(array, slice(30, 31), slice(2, 3)), atol=1e-5)
    np.testing.assert_allclose(found[2], expected(array, slice(50, 52), slice(9, 11)), rtol=1e-4)
    both = np.concatenate([array[:, 70:72, :2], array[:, 80:82, 10:12]], axis=2)
    np.testing.assert_allclose(found[3], expected(both, slice(None), slice(None)), rtol=1e-4)
    assert np.isnan(found[4]).all()
    seen = array[:, 59:62, 59:62].reshape(3, -1)
    seen = seen[:, np.isfinite(seen).all(axis=0)]
    assert seen.shape == (3, 8)
    np.testing.assert_allclose(found[5, :3], seen.mean(axis=1), rtol=1e-5)
    assert np.isnan(found[6]).all()
    np.testing.assert_allclose(found[7], expected(array, slice(90, 96), slice(70, 80)), rtol=1e-4)


def test_a_polygon_under_others_has_what_it_touches(raster):
    path, array = raster
    covered, cover = pixels_box(10, 10, 14, 14), pixels_box(9, 9, 15, 15)
    found = measured(path, [covered, cover])
    np.testing.assert_allclose(found[0], expected(array, slice(10, 14), slice(10, 14)), rtol=1e-4)
    np.testing.assert_allclose(found[1], expected(array, slice(9, 15), slice(9, 15)), rtol=1e-4)


def test_polygons_may_have_another_crs(raster):
    path, array = raster
    found = measured(path, [outline(2, 3)], crs="EPSG:4326")
    np.testing.assert_allclose(found[0], expected(array, slice(16, 24), slice(24, 32)), rtol=1e-4)


def test_whole_numbers_stay_whole_where_some_are_null(tmp_path):
    frame = read_zones(write_zones(tmp_path / "p.gpkg", kinds()))
    assert str(frame["parcel"].dtype) == "Int64"
    assert frame["parcel"].isna().any()


def test_points_are_no_parcels(tmp_path):
    frame = geopandas.GeoDataFrame(
        {"kind": ["a", "b"]}, geometry=[outline(0, 0), outline(1, 1).centroid], crs="EPSG:32631"
    )
    frame.to_file(tmp_path / "p.gpkg")
    with pytest.raises(OptionError, match="holds Point, but each feature must be a polygon"):
        read_zones(tmp_path / "p.gpkg")
