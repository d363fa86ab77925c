"""Areas of interest on a scene's grid."""

import os
import warnings

import geopandas
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import Point, Polygon, box

from georaster_dl.core.errors import OptionError
from georaster_dl.io.vectors.aoi import AreaOfInterest

BOWTIE = Polygon(
    [(500_000, 5_000_000), (500_100, 4_999_900), (500_100, 5_000_000), (500_000, 4_999_900)]
)
GRID = GeoBox((40, 60), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32631")


@pytest.fixture
def write(tmp_path):
    def make(shapes, crs="EPSG:32631"):
        path = tmp_path / "aoi.gpkg"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a missing CRS is the point of one test
            geopandas.GeoDataFrame(geometry=shapes, crs=crs).to_file(path)
        return path

    return make


def test_a_pixel_is_in_when_its_centre_is(write):
    area = AreaOfInterest(write([box(500_100, 4_999_800, 500_204, 4_999_900)]), GRID)
    mask = area.mask(slice(0, 40), slice(0, 60))
    expected = np.zeros((40, 60), bool)
    expected[10:20, 10:20] = True
    assert np.array_equal(mask, expected)
    assert np.array_equal(area.mask(slice(5, 15), slice(12, 40)), expected[5:15, 12:40])
    assert not area.mask(slice(30, 40), slice(0, 60)).any()


def test_the_whole_earth_in_degrees_covers_the_scene(write):
    area = AreaOfInterest(write([box(-180, -90, 180, 90)], "EPSG:4326"), GRID)
    assert area.mask(slice(0, 40), slice(0, 60)).all()


@pytest.mark.parametrize(
    ("shapes", "crs", "problem"),
    [
        ([box(0, 0, 1, 1)], "EPSG:32631", "does not touch"),
        ([Point(500_100, 4_999_900)], "EPSG:32631", "no polygons"),
        ([box(500_100, 4_999_800, 500_200, 4_999_900)], None, "no CRS"),
        ([BOWTIE], "EPSG:32631", r"invalid geometry \(Self-intersection.* in 1 of 1 feature"),
    ],
)
def test_areas_that_cannot_limit_a_run(write, shapes, crs, problem):
    with pytest.raises(OptionError, match=problem):
        AreaOfInterest(write(shapes, crs), GRID)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "aoi.gpkg")
    with pytest.raises(OptionError, match="pipe or a device"):
        AreaOfInterest(tmp_path / "aoi.gpkg", GRID)
