"""LiDAR points: their raster and their classes, with the real geodl."""

import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("qgis.core")

from osgeo import gdal
from qgis.core import (
    QgsProcessingException,
    QgsProviderRegistry,
    QgsRasterLayer,
)


def write_las(path, left):
    """Write LAS 1.2, without a CRS: a plane with a house 6 m high in each quarter of 100 m."""
    rng = np.random.default_rng(left)
    x, y = rng.uniform(0.5, 99.5, (2, 12_000)).round(2)
    house = (abs(x % 50 - 20) < 9) & (abs(y % 50 - 20) < 7)
    layout = [("xyz", "<i4", 3), ("intensity", "<u2"), ("returns", "u1"), ("class", "u1")]
    points = np.zeros(x.size, np.dtype([*layout, ("rest", "V4")]))
    points["xyz"] = np.rint(100 * np.column_stack([x + left, y, 50 + 6 * house]))
    points["returns"], points["class"] = 0b1001, np.where(house, 6, 2)
    corners = (left + 99.5, left + 0.5, 99.5, 0.5, 56, 50)
    numbers = (x.size, x.size, 0, 0, 0, 0, *[0.01] * 3, *[0] * 3, *corners)
    head = struct.pack("<4s20xBB68xHIIBH6I12d", b"LASF", 1, 2, 227, 227, 0, 0, 20, *numbers)
    path.write_bytes(head + points.tobytes())
    return str(path)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    return [write_las(folder / f"{left}.las", left) for left in (0, 100)]


def test_a_raster_of_several_files_is_loaded_in_its_style(run, tiles, tmp_path):
    made = run(
        "lidar_raster", TILES=tiles, CELL=1, CRS="EPSG:2154", OUTPUT=str(tmp_path / "bands.tif")
    )
    dataset = gdal.Open(made["OUTPUT"])
    assert (dataset.RasterCount, dataset.RasterXSize, dataset.RasterYSize) == (9, 200, 100)
    heights = dataset.GetRasterBand(3)
    assert heights.GetDescription() == "ndsm"
    assert np.nanmax(heights.ReadAsArray()) == pytest.approx(6, abs=0.01)
    layer = QgsRasterLayer(made["OUTPUT"])
    assert layer.crs().authid() == "EPSG:2154"
    layer.loadNamedStyle(str(tmp_path / "bands.qml"))
    assert (layer.renderer().type(), layer.renderer().usesBands()) == (
        "singlebandpseudocolor",
        [3],
    )
    again = {"TILES": tiles, "OUTPUT": str(tmp_path / "other.tif"), "LIKE": made["OUTPUT"]}
    with pytest.raises(QgsProcessingException, match="not both"):
        run("lidar_raster", CELL=1, **again)
    run("lidar_raster", CRS="EPSG:2154", **again)
    np.testing.assert_array_equal(gdal.Open(again["OUTPUT"]).ReadAsArray(), dataset.ReadAsArray())


def test_classified_points_are_loaded_where_this_qgis_opens_laz(
    run, tiles, geodl, feedback, tmp_path
):
    forest, output = tmp_path / "points.skops", str(tmp_path / "classified.laz")
    subprocess.run(
        [geodl, "train", "--task", "lidar", *tiles, "-o", forest], check=True, capture_output=True
    )
    given = {"TILE": tiles[0], "MODEL": str(forest), "CRS": "EPSG:2154", "OUTPUT": output}
    made = run("lidar_classify", **given)
    assert Path(made["OUTPUT"]).is_file()
    loaded = list(run.context.layersToLoadOnCompletion())
    if "pdal" in QgsProviderRegistry.instance().providerList():
        assert loaded == [output]
    else:
        assert not loaded
        assert any("opens no LAZ" in info and output in info for info in feedback.infos)
    with pytest.raises(QgsProcessingException, match="Codes of classes"):
        run("lidar_classify", CODES="roof", **given)
