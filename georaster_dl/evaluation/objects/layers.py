"""Matched, false and missed objects as layers of a GeoPackage, with their style for QGIS."""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import geopandas
import pyogrio

from georaster_dl.core.legend import Color
from georaster_dl.evaluation.objects.result import ObjectEvaluation
from georaster_dl.io.vectors.areas import add_outline
from georaster_dl.io.vectors.geopackage import open_geopackage, store_qml

__all__ = ["COLORS", "write_layers"]

COLORS: Mapping[str, Color] = {
    "matched": (255, 255, 255),
    "false": (230, 120, 0),
    "missed": (0, 150, 230),
}
"""Colours of what became of objects; orange and blue are told apart by all kinds of colour vision."""

_HALO: Color = (30, 30, 30)
_OPACITY = 110  # of fills, of 255


def write_layers(out: Path, evaluation: ObjectEvaluation) -> None:
    """Write matched, false and missed objects to layers of their own, also where there are none.

    Parameters
    ----------
    out : the GeoPackage, replaced if it exists.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    with open_geopackage(out) as path:
        for name, frame in evaluation.objects.items():
            _write(path, name, frame)
    for name in evaluation.objects:
        store_qml(out, _style(name), name=name, layer=name)


def _write(path: Path, name: str, frame: geopandas.GeoDataFrame) -> None:
    with warnings.catch_warnings():
        # Of maps without a CRS; their coordinates are the map's.
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.write_dataframe(
            frame, path, driver="GPKG", layer=name, geometry_type="Polygon", append=path.exists()
        )


def _style(name: str) -> str:
    color = COLORS[name]
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(root, "renderer-v2", type="singleSymbol")
    symbol = ET.SubElement(
        ET.SubElement(renderer, "symbols"), "symbol", name="0", type="fill", alpha="1"
    )
    add_outline(symbol, _HALO, 0.9, fill=(*color, 0 if name == "matched" else _OPACITY))
    add_outline(symbol, color, 0.5, fill=(*color, 0))
    return ET.tostring(root, encoding="unicode")
