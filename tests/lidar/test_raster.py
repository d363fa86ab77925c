"""Rasters of LiDAR: sums by cell, files as one, and what is left out."""

import numpy as np
import pytest
import rasterio

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.lidar.options import RasterOptions
from georaster_dl.lidar.raster.cells import BANDS
from georaster_dl.lidar.raster.run import lidar_raster
from tests.lidar.clouds import subset, village, write_cloud


def bands(paths, output, **options):
    """Bands by name, and the result."""
    said = []
    made = lidar_raster(paths, output, RasterOptions(**{"cell": 1.0, **options}), said.append)
    with rasterio.open(output) as dataset:
        assert dataset.descriptions == BANDS
        return dict(zip(BANDS, dataset.read(), strict=True)), made


def test_two_halves_of_a_file_are_the_file_to_the_bit(tmp_path):
    cloud = village()
    whole = write_cloud(tmp_path / "whole.laz", **cloud)
    half = np.arange(len(cloud["x"])) % 3 == 0
    parts = [
        write_cloud(tmp_path / "b.las", **subset(cloud, ~half)),
        write_cloud(tmp_path / "a.laz", **subset(cloud, half)),
    ]
    for ground in ("class", "filter"):
        one, _ = bands([whole], tmp_path / f"{ground}1.tif", ground=ground)
        two, _ = bands(parts, tmp_path / f"{ground}2.tif", ground=ground)
        for name in BANDS:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_density_times_area_is_the_number_of_points_used(tmp_path):
    found, made = bands(
        [write_cloud(tmp_path / "a.laz", **village())], tmp_path / "b.tif", cell=2.5
    )
    assert np.nansum(found["density"]) * 2.5**2 == pytest.approx(8000)
    assert (made.points, made.dropped) == (8000, 0)


def test_a_point_on_an_edge_belongs_to_one_cell(tmp_path):
    edge = [100.0, 100.3, 100.6, 100.9]
    path = write_cloud(tmp_path / "a.las", edge, np.array(edge) + 100, [1, 2, 3, 4])
    found, made = bands([path], tmp_path / "b.tif", cell=0.3)
    assert made.shape == (4, 4)
    assert np.nansum(found["density"]) * 0.3**2 == pytest.approx(4)
    np.testing.assert_array_equal(np.fliplr(found["dsm"]).diagonal(), [4, 3, 2, 1])


def test_missing_laspy_is_said_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "laspy", None)
    with pytest.raises(OptionError, match=r"pip install 'georaster_dl\[lidar\]'"):
        bands([tmp_path / "a.laz"], tmp_path / "b.tif")


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "a.laz"
    path.write_bytes(b"LASF" + bytes(400))
    with pytest.raises(SceneError, match="cannot be read as LAS, LAZ or COPC"):
        bands([path], tmp_path / "b.tif")
    assert not (tmp_path / "b.tif").exists()
