"""Labels that are probably wrong, as a GeoPackage with a style for QGIS."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import geopandas

from georaster_dl.core.legend import Color
from georaster_dl.io.vectors.areas import add_labels, add_outline
from georaster_dl.io.vectors.geopackage import store_qml, write_geopackage

__all__ = ["write_suspects"]

_DESCRIPTION = (
    "Labels with their chance to be wrong, by confident learning: a classifier that was trained on other places "
    "contradicts them. Look at each in the image before changing it; the most suspect have the lowest rank."
)
_SUSPECT: Color = (214, 39, 40)
_OTHER: Color = (120, 120, 120)
_HALO: Color = (255, 255, 255)


def write_suspects(out: Path, labels: geopandas.GeoDataFrame) -> None:
    """Write labels to a layer named after the file; QGIS outlines suspects in red, with their rank.

    Parameters
    ----------
    out : the GeoPackage, replaced if it exists.
    labels : features by rank, with the fields ``rank`` and ``suspect`` (1 or 0).

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    several = labels.geom_type.nunique() > 1
    write_geopackage(out, labels, promote_to_multi=several or None, DESCRIPTION=_DESCRIPTION)
    store_qml(out, _style(set(labels.geom_type)), name="suspect labels")


def _style(kinds: set[str]) -> str:
    root = ET.Element(
        "qgis", version="3.22.0", styleCategories="Symbology|Labeling", labelsEnabled="1"
    )
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr="suspect")
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    entries = (("1", "suspect", _SUSPECT, 0.7), ("0", "not suspect", _OTHER, 0.26))
    for number, (value, label, color, width) in enumerate(entries):
        key = {"symbol": str(number), "value": value, "label": label, "render": "true"}
        ET.SubElement(categories, "category", key)
        kind = "marker" if kinds <= {"Point", "MultiPoint"} else "fill"
        symbol = ET.SubElement(symbols, "symbol", name=str(number), type=kind, alpha="1")
        if kind == "marker":
            marker = ET.SubElement(symbol, "layer", {"class": "SimpleMarker", "enabled": "1"})
            shown = {"color": color, "outline_color": _HALO}
            for name, rgb in shown.items():
                ET.SubElement(marker, "prop", k=name, v=",".join(map(str, (*rgb, 255))))
            ET.SubElement(marker, "prop", k="size", v=str(1.5 + 2 * width))
            continue
        if value == "1":
            add_outline(symbol, _HALO, 1.3, fill=(*color, 0))
        add_outline(symbol, color, width, fill=(*color, 0))
    add_labels(root, field="if(suspect, rank, '')", expression=True)
    return ET.tostring(root, encoding="unicode")
