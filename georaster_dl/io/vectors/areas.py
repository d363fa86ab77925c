"""Proposed areas to label, as a GeoPackage with a style and a form for QGIS."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

import geopandas

from georaster_dl.core.legend import Color, Legend
from georaster_dl.io.vectors.geopackage import store_qml, write_geopackage

__all__ = ["add_form", "add_labels", "add_outline", "is_proposed", "write_areas"]

_MARK = "sampled_by"  # field that stays when the layer is saved in another format
_MARKED = "geodl propose"
_DESCRIPTION = (
    "Areas to label that geodl propose chose because a model is uncertain there: no random sample, so "
    "no accuracy or area of a map can be estimated from them. Fill in the field class."
)
_UNLABELLED: Color = (255, 212, 0)
_HALO: Color = (30, 30, 30)
_NO_VALUE = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"  # QGIS's sign for null in a list of values


def write_areas(out: Path, areas: geopandas.GeoDataFrame, legend: Legend) -> None:
    """Write areas to label to a layer named after the file.

    QGIS shows their rank, outlines them in the colour of the class that they were given, and offers the
    legend's names in the form.

    Parameters
    ----------
    out : the GeoPackage, replaced if it exists.
    areas : polygons with ``rank`` and the empty text field ``class``.
    legend : classes to choose from.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    write_geopackage(
        out,
        areas.assign(**{_MARK: _MARKED}),
        geometry_type="Polygon" if set(areas.geom_type) == {"Polygon"} else "MultiPolygon",
        promote_to_multi=set(areas.geom_type) != {"Polygon"},
        DESCRIPTION=_DESCRIPTION,
    )
    store_qml(out, _style(legend), name="areas to label")


def is_proposed(frame: geopandas.GeoDataFrame) -> bool:
    """Return whether features are areas of ``write_areas``, or were made of them."""
    return _MARK in frame and bool((frame[_MARK] == _MARKED).any())


def _style(legend: Legend) -> str:
    """Symbols, labels and form in QGIS's own format."""
    root = ET.Element(
        "qgis",
        version="3.22.0",
        styleCategories="Symbology|Labeling|Fields|Forms",
        labelsEnabled="1",
    )
    _add_symbols(root, legend)
    add_labels(root)
    add_form(root, legend, protected=("rank", "score", "scene", "suggested", _MARK))
    return ET.tostring(root, encoding="unicode")


def _add_symbols(root: ET.Element, legend: Legend) -> None:
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr="class")
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    # A category without a value is that of all others, null included.
    entries = [(entry.name, entry.name, entry.color, 90) for entry in legend.classes]
    for number, (value, label, color, alpha) in enumerate(
        [*entries, ("", "to label", _UNLABELLED, 0)]
    ):
        key = {"symbol": str(number), "value": value, "label": label, "render": "true"}
        ET.SubElement(categories, "category", key)
        symbol = ET.SubElement(symbols, "symbol", name=str(number), type="fill", alpha="1")
        # Seen over bright and over dark ground.
        add_outline(symbol, _HALO, 1.1, fill=(*color, alpha))
        add_outline(symbol, color, 0.6, fill=(*color, 0))


def add_outline(
    symbol: ET.Element, color: Color, width_mm: float, fill: tuple[int, int, int, int]
) -> None:
    """Add a layer of fill (red, green, blue, alpha) and outline to a symbol."""
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1"})
    # Old QGIS reads <prop>, newer reads <Option> and still understands <prop>.
    values: Mapping[str, object] = {
        "color": ",".join(map(str, fill)),
        "style": "solid",
        "outline_color": ",".join(map(str, (*color, 255))),
        "outline_style": "solid",
        "outline_width": width_mm,
        "outline_width_unit": "MM",
    }
    for key, value in values.items():
        ET.SubElement(layer, "prop", k=key, v=str(value))


def add_labels(root: ET.Element, *, field: str = "rank", expression: bool = False) -> None:
    """Add labels over the middle of each area, also of small areas, to a style."""
    labeling = ET.SubElement(root, "labeling", type="simple")
    settings = ET.SubElement(labeling, "settings")
    text = ET.SubElement(
        settings,
        "text-style",
        {
            "fieldName": field,
            "isExpression": str(int(expression)),
            "fontSize": "10",
            "fontSizeUnit": "Point",
        },
        fontWeight="75",
        textColor="20,20,20,255",
        textOpacity="1",
    )
    ET.SubElement(
        text,
        "text-buffer",
        bufferDraw="1",
        bufferSize="0.9",
        bufferSizeUnits="MM",
        bufferColor="255,255,255,255",
        bufferOpacity="1",
    )
    ET.SubElement(settings, "placement", placement="1")  # over the middle
    # Every rank is shown, however small the area.
    ET.SubElement(settings, "rendering", displayAll="1", drawLabels="1", fontMinPixelSize="0")


def add_form(
    root: ET.Element, legend: Legend, *, protected: Sequence[str], hidden: Sequence[str] = ()
) -> None:
    """Add a form that offers the names of the legend for the field ``class`` to a style.

    Parameters
    ----------
    root : of the style.
    legend : classes to choose from.
    protected : fields that cannot be edited.
    hidden : fields that the form does not show.
    """
    fields = ET.SubElement(root, "fieldConfiguration")
    widget = ET.SubElement(ET.SubElement(fields, "field", name="class"), "editWidget")
    widget.set("type", "ValueMap")
    config = ET.SubElement(ET.SubElement(widget, "config"), "Option", type="Map")
    values = ET.SubElement(config, "Option", name="map", type="List")
    for name, value in [("", _NO_VALUE), *((name, name) for name in legend.names)]:
        pair = ET.SubElement(values, "Option", type="Map")
        ET.SubElement(pair, "Option", name=name, value=value, type="QString")
    for name in hidden:
        ET.SubElement(ET.SubElement(fields, "field", name=name), "editWidget", type="Hidden")
    editable = ET.SubElement(root, "editable")
    for name in (*protected, *hidden):
        ET.SubElement(editable, "field", name=name, editable="0")
