"""Colours that people gave their labels in QGIS and other programs."""

import sqlite3
from contextlib import closing

import geopandas
import numpy as np
import pytest
from shapely.geometry import box

from georaster_dl.io.labels.read import LabelOptions, read_legend

OURS = {"forest": (18, 52, 86), "water": (171, 205, 239)}


def categorized(
    attribute="class", values=("forest", "water"), labels=("Wald", "Wasser"), old=False
):
    """A style as QGIS writes it: newer ones as options, older ones as props."""
    symbols = ""
    for i, color in enumerate(OURS.values()):
        text = ",".join(map(str, (*color, 255)))
        stated = (
            f'<prop k="color" v="{text}"/><prop k="style" v="solid"/>'
            if old
            else f'<Option type="Map"><Option type="QString" name="color" value="{text},rgb:0,0,0,1"/>'
            '<Option type="QString" name="outline_color" value="35,35,35,255"/></Option>'
        )
        symbols += (
            f'<symbol name="{i}" type="fill"><layer class="SimpleFill">{stated}</layer></symbol>'
        )
    categories = "".join(
        f'<category symbol="{i}" value="{value}" label="{label}"/>'
        for i, (value, label) in enumerate(zip(values, labels, strict=True))
    )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n<qgis>"
        f'<renderer-v2 type="categorizedSymbol" attr="{attribute}"><categories>{categories}</categories>'
        f"<symbols>{symbols}</symbols></renderer-v2></qgis>"
    )


@pytest.fixture
def fields(tmp_path):
    """Factory of label files; returns the path."""

    def make(name="labels.gpkg", classes=("forest", "water"), column="class"):
        frame = geopandas.GeoDataFrame(
            {column: list(classes), "id": [1, 2]},
            geometry=[box(0, 0, 1, 1), box(1, 0, 2, 1)],
            crs="EPSG:32631",
        )
        path = tmp_path / name
        frame.to_file(path)
        return path

    return make


def store(path, *styles):
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(
            "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY, f_table_name TEXT, styleQML TEXT, "
            "useAsDefault BOOLEAN)"
        )
        base.executemany(
            "INSERT INTO layer_styles (f_table_name, styleQML, useAsDefault) VALUES (?, ?, ?)",
            styles,
        )


def colors(path, field="class"):
    legend = read_legend([path], LabelOptions(class_field=field))
    return {entry.name: entry.color for entry in legend.classes}


@pytest.mark.parametrize("old", [True, False])
def test_the_default_style_in_a_geopackage(fields, old):
    path = fields()
    other = categorized(values=("water", "forest"))
    store(
        path,
        ("labels", categorized(old=old), 1),
        ("labels", other, 0),
        ("something else", other, 1),
    )
    assert colors(path) == OURS


@pytest.mark.parametrize("name", ["labels.geojson", "labels.shp", "labels.gpkg"])
def test_a_style_file_beside_the_labels(fields, name):
    path = fields(name)
    path.with_suffix(".qml").write_text(categorized())
    assert colors(path) == OURS


def test_numbers_and_the_labels_of_categories(fields):
    path = fields("a.geojson", classes=(4, 9))
    path.with_suffix(".qml").write_text(categorized(values=(4, 9)))
    assert list(colors(path).values()) == list(OURS.values())
    path.with_suffix(".qml").write_text(categorized("id", values=(9, 4), labels=("4", "9")))
    assert list(colors(path).values()) == list(OURS.values())


@pytest.mark.parametrize(
    "style",
    [
        "",
        "no XML",
        "<qgis/>",
        '<qgis><renderer-v2 type="singleSymbol"/></qgis>',
        categorized("id"),
        categorized(values=("a", "b")),
        categorized().replace("18,52,86", "a,b,c").replace("171,205,239", "999,0,0"),
        '<!DOCTYPE q [<!ENTITY a "aaaa">]>' + categorized().split("\n")[1],
    ],
)
def test_a_style_that_says_nothing_of_the_classes(fields, style):
    path = fields()
    expected = colors(path)
    path.with_suffix(".qml").write_text(style)
    assert colors(path) == expected


def test_a_class_that_the_style_lacks_has_a_colour_of_its_own(fields):
    path = fields()
    path.with_suffix(".qml").write_text(categorized(values=("forest", "sea")))
    found = colors(path)
    assert found["forest"] == OURS["forest"]
    assert found["water"] == (33, 102, 172)


ENTRIES = "".join(
    f'<paletteEntry value="{value}" label="x" color="#{bytes(color).hex()}" alpha="255"/>'
    for value, color in zip((1, 2), OURS.values(), strict=True)
)
TABLE = (
    "<PAMDataset><PAMRasterBand band='1'><GDALRasterAttributeTable>"
    + "".join(
        f"<FieldDefn index='{i}'><Name>{name}</Name><Usage>{usage}</Usage></FieldDefn>"
        for i, (name, usage) in enumerate((("Value", 5), ("R", 6), ("G", 7), ("B", 8)))
    )
    + "".join(
        f"<Row index='{i}'><F>{i + 1}</F>{''.join(f'<F>{part}</F>' for part in color)}</Row>"
        for i, color in enumerate(OURS.values())
    )
    + "</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.qml", f"<qgis><pipe><colorPalette>{ENTRIES}</colorPalette></pipe></qgis>"),
        ("labels.tif.aux.xml", TABLE),
        ("labels.clr", "1 18 52 86 255 forest\n2 171 205 239\n# made by hand\n"),
    ],
)
def test_styles_beside_a_raster(make_tif, name, text):
    path = make_tif(np.array([[1, 2], [2, 1]], np.uint8), "labels.tif")
    path.with_name(name).write_text(text)
    assert list(colors(path, None).values()) == list(OURS.values())
