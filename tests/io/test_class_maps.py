"""What is a map of classes, and what every command does with a raster that is none."""

import zipfile

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shapely.geometry import box

import georaster_dl as gdl
from georaster_dl.core.errors import OptionError
from georaster_dl.io.class_maps import other_than_classes

TAGGED = {"GEORASTER_DL_CONTENT": "confidence", "GEORASTER_DL_MODEL": "trees 2"}
UNTAGGED = {"GEORASTER_DL_MODEL": "trees 2"}


def write(path, tags, scale=0.004):
    pixels = np.array([[100, 200, 249], [54, 150, 255]], np.uint8)
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_000_000, 20, 20)}
    shape = {"count": 1, "height": 2, "width": 3}
    with rasterio.open(path, "w", "GTiff", dtype="uint8", nodata=255, **shape, **place) as dataset:
        dataset.write(pixels, 1)
        dataset.scales = (scale,)
        dataset.update_tags(**tags)
    return path


@pytest.mark.parametrize(
    ("tags", "scale", "held"),
    [
        (TAGGED, 0.004, "confidence"),
        (TAGGED, 1.0, "confidence"),
        (UNTAGGED, 0.004, "numbers with a scale of 0.004 and an offset of 0"),
    ],
)
def test_confidence_and_scaled_numbers_are_no_classes_for_any_command(tmp_path, tags, scale, held):
    path = write(tmp_path / "map_confidence.tif", tags, scale)
    assert other_than_classes(path) == held
    for refused in (
        lambda: gdl.polygons(path, out=tmp_path / "p.gpkg"),
        lambda: gdl.clean(path, out=tmp_path / "c.tif", majority=3),
    ):
        with pytest.raises(OptionError, match=f"holds {held}, not classes: .*Give the map"):
            refused()
    areas = geopandas.GeoDataFrame(
        {"n": [1]}, geometry=[box(500_000, 4_999_960, 500_060, 5_000_000)], crs="EPSG:32633"
    )
    areas.to_file(tmp_path / "areas.gpkg")
    row = gdl.zonal(path, tmp_path / "areas.gpkg").frame.iloc[0]
    assert row["mean"] == pytest.approx(np.mean([100, 200, 249, 54, 150]) * scale, rel=1e-5)
    assert (row["min"], row["max"]) == pytest.approx((54 * scale, 249 * scale))
    gdl.bundle(path, out=tmp_path / "sent.zip")
    with zipfile.ZipFile(tmp_path / "sent.zip") as archive:
        assert "sent/map_confidence_legend.png" in archive.namelist()
        text = archive.read("sent/README.txt").decode()
    assert "Pixel values" not in text
