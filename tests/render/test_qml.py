"""Styles: GDAL reads the names back, QGIS gets exactly the classes, nothing existing is lost."""

import ctypes
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from georaster_dl.core.errors import OutputError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.render.qml import (
    class_names_tag,
    color_table,
    write_class_style,
    write_limit_style,
    write_ramp_style,
)

LEGEND = Legend(
    (MapClass(0, "water", (0, 0, 255)), MapClass(3, 'grass & "low" <veg> é', (0, 200, 10)))
)
HIGH = Legend((MapClass(60000, "many", (250, 0, 9)), MapClass(1, "one", (1, 2, 3))))


def gdal():
    """GDAL itself, as rasterio carries it: rasterio has no functions for names and tables."""
    maps = Path("/proc/self/maps")
    found = re.search(r"(/\S*libgdal\S*)", maps.read_text()) if maps.exists() else None
    if found is None:
        pytest.skip("rasterio's GDAL library is not at hand")
    library = ctypes.CDLL(found[1])
    for name in (
        "GDALOpen",
        "GDALGetRasterBand",
        "GDALGetDefaultRAT",
        "GDALGetRasterCategoryNames",
    ):
        getattr(library, name).restype = ctypes.c_void_p
    library.GDALRATGetValueAsString.restype = ctypes.c_char_p
    return library


@pytest.fixture
def raster(tmp_path):
    def make(legend):
        path = tmp_path / "map.tif"
        data = np.full((4, 5), legend.values[0], legend.dtype)
        where = {"crs": "EPSG:32633", "transform": Affine(10, 0, 3e5, 0, -10, 5e6)}
        with rasterio.open(
            path, "w", driver="GTiff", height=4, width=5, count=1, dtype=legend.dtype, **where
        ) as ds:
            ds.write(data, 1)
        return path

    return make


@pytest.mark.parametrize("legend", [LEGEND, HIGH])
def test_gdal_reads_names_and_table(raster, legend):
    path = raster(legend)
    write_class_style(path, legend)
    library = gdal()
    dataset = ctypes.c_void_p(library.GDALOpen(str(path).encode(), 0))
    band = ctypes.c_void_p(library.GDALGetRasterBand(dataset, 1))
    table = ctypes.c_void_p(library.GDALGetDefaultRAT(band))
    assert library.GDALRATGetColumnCount(table) == 6
    assert [library.GDALRATGetUsageOfCol(table, i) for i in range(6)] == [5, 2, 6, 7, 8, 9]
    cells = [
        [library.GDALRATGetValueAsString(table, row, col).decode() for col in range(6)]
        for row in range(library.GDALRATGetRowCount(table))
    ]
    assert cells == [[str(c.value), c.name, *map(str, c.color), "255"] for c in legend.classes]
    names = library.GDALGetRasterCategoryNames(band)
    if legend is HIGH:
        assert not names
    else:
        read = ctypes.cast(names, ctypes.POINTER(ctypes.c_char_p))
        assert [read[i].decode() for i in range(4)] == ["water", "", "", LEGEND.names[1]]
        assert read[4] is None
    library.GDALClose(dataset)


@pytest.mark.parametrize("legend", [LEGEND, HIGH])
def test_qml_lists_exactly_the_classes(raster, legend):
    path = raster(legend)
    write_class_style(path, legend)
    renderer = ET.parse(path.with_suffix(".qml")).find("pipe/rasterrenderer")
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    entries = [
        (e.get("value"), e.get("label"), e.get("color")) for e in renderer.iter("paletteEntry")
    ]
    assert entries == [
        (str(c.value), c.name, "#{:02x}{:02x}{:02x}".format(*c.color)) for c in legend.classes
    ]


def test_what_gdal_keeps_in_the_sidecar_stays(raster):
    path = raster(LEGEND)
    write_class_style(path, HIGH)
    with rasterio.open(path) as ds:
        ds.stats(indexes=[1])
    sidecar = path.with_name("map.tif.aux.xml")
    root = ET.parse(sidecar).getroot()
    ET.SubElement(root, "SRS").text = "kept"
    ET.ElementTree(root).write(sidecar)
    write_class_style(path, LEGEND)
    root = ET.parse(sidecar).getroot()
    assert root.findtext("SRS") == "kept"
    assert root.find("PAMRasterBand/Metadata/MDI[@key='STATISTICS_MEAN']") is not None
    assert len(root.findall("PAMRasterBand")) == 1
    assert len(root.findall("PAMRasterBand/GDALRasterAttributeTable")) == 1
    assert [c.text for c in root.iter("Category")] == ["water", None, None, LEGEND.names[1]]


def test_a_damaged_sidecar_is_named(raster):
    path = raster(LEGEND)
    path.with_name("map.tif.aux.xml").write_text("<PAMDataset>")
    with pytest.raises(OutputError, match=r"map\.tif\.aux\.xml.*delete that file"):
        write_class_style(path, LEGEND)


def test_missing_folder(tmp_path):
    with pytest.raises(OutputError, match=r"Cannot write a\.tif\.aux\.xml"):
        write_class_style(tmp_path / "no" / "a.tif", LEGEND)


def test_ramp(tmp_path):
    write_ramp_style(tmp_path / "confidence.tif", minimum=0.2, maximum=1, band=3)
    renderer = ET.parse(tmp_path / "confidence.qml").find("pipe/rasterrenderer")
    assert (renderer.get("type"), renderer.get("band")) == ("singlebandpseudocolor", "3")
    shader = renderer.find("rastershader/colorrampshader")
    values = [float(item.get("value")) for item in shader]
    assert values[0] == float(shader.get("minimumValue")) == 0.2
    assert values[-1] == float(shader.get("maximumValue")) == 1
    assert values == sorted(values)
    assert [shader[0].get("color"), shader[-1].get("color")] == ["#440154", "#fde725"]


def test_ratios_change_their_family_of_colours_at_the_limit(tmp_path):
    write_limit_style(tmp_path / "outliers.tif", maximum=3)
    shader = ET.parse(tmp_path / "outliers.qml").find("pipe/rasterrenderer/rastershader/*")
    values = [float(item.get("value")) for item in shader]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0, 3)
    (limit,) = [i for i, item in enumerate(shader) if "(limit)" in item.get("label")]
    assert values[limit] == 1
    assert 1 < values[limit + 1] < 1.00001
    for i, item in enumerate(shader):
        red, _, blue = bytes.fromhex(item.get("color")[1:])
        assert (blue > red) == (i <= limit)


@pytest.mark.parametrize("limits", [(1, 1), (2, 1), (float("nan"), 1)])
def test_a_ramp_needs_a_range(tmp_path, limits):
    with pytest.raises(OutputError, match="minimum < maximum"):
        write_ramp_style(tmp_path / "a.tif", minimum=limits[0], maximum=limits[1])


def test_tables_for_the_tiff_itself():
    assert color_table(LEGEND) == {0: (0, 0, 255, 255), 3: (0, 200, 10, 255), 255: (0, 0, 0, 0)}
    assert class_names_tag(LEGEND) == '{"0": "water", "3": "grass & \\"low\\" <veg> é"}'
