"""Points on a raster's grid, and points to label as a GeoPackage with a form for QGIS."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
from odc.geo.gcp import GCPGeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference, full_turn, near_longitude, to_coordinates
from georaster_dl.core.legend import Legend
from georaster_dl.io.vectors.areas import add_form
from georaster_dl.io.vectors.geopackage import store_qml, write_geopackage
from georaster_dl.io.vectors.placing import in_coordinates_of

__all__ = ["pixels_of_points", "write_points"]

_OF_THE_MAP = ("map_class", "map_value", "stratum_weight")


def pixels_of_points(
    points: geopandas.GeoDataFrame, geobox: Georeference, *, title: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find row and col of each point's pixel, on the raster or beside it.

    Parameters
    ----------
    points : in any CRS.
    geobox : the raster's grid, with a CRS.
    title : what a message calls the points' file.

    Raises
    ------
    OptionError
        When the raster has no CRS and transform, or nothing leads from the points' CRS to its.
    """
    if isinstance(geobox, GCPGeoBox) or geobox.crs is None:
        raise OptionError(
            f"{title} cannot be laid over a raster without CRS and transform; georeference it first (gdalwarp)."
        )
    places = in_coordinates_of(points, geobox, title=title).geometry
    x, y = places.x.to_numpy(), places.y.to_numpy()
    if geobox.crs.geographic:
        x = near_longitude(x, geobox.extent.geom.centroid.x, full_turn(geobox.crs.proj))
    cols, rows = np.floor(to_coordinates(~geobox.affine, x, y)).astype(np.int64)
    return rows, cols


def write_points(
    out: Path,
    xs: npt.NDArray[Any],
    ys: npt.NDArray[Any],
    fields: Mapping[str, npt.NDArray[Any]],
    *,
    crs: str,
    legend: Legend,
) -> None:
    """Write points to label to a layer named after the file.

    QGIS shows a ring, filled with the colour of the class that a point was given, and offers the legend's
    names in the form; what the map says of the point is not shown there, as it would lead the labelling.

    Parameters
    ----------
    out : the GeoPackage, replaced if it exists.
    xs, ys : (points,) coordinates in the CRS.
    fields : (points,) values by field name; one of type object holds text.
    crs : as WKT.
    legend : classes to choose from for the field ``class``.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    frame = geopandas.GeoDataFrame(dict(fields), geometry=geopandas.points_from_xy(xs, ys), crs=crs)
    write_geopackage(out, frame, geometry_type="Point")
    store_qml(out, _style(legend), name="points to label")


def _style(legend: Legend) -> str:
    """Symbols and form in QGIS's own format."""
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology|Fields|Forms")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr="class")
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    entries = [(entry.name, entry.name, (*entry.color, 255)) for entry in legend.classes]
    # A category without a value is that of all others, null included.
    for number, (value, label, color) in enumerate([*entries, ("", "to label", (0, 0, 0, 0))]):
        key = {"symbol": str(number), "value": value, "label": label, "render": "true"}
        ET.SubElement(categories, "category", key)
        symbol = ET.SubElement(symbols, "symbol", name=str(number), type="marker", alpha="1")
        # Seen over bright and over dark ground.
        _add_ring(symbol, (30, 30, 30, 255), 4.2, 1.4, fill=(0, 0, 0, 0))
        _add_ring(symbol, (255, 255, 255, 255), 4.2, 0.7, fill=color)
    add_form(root, legend, protected=("id",), hidden=_OF_THE_MAP)
    return ET.tostring(root, encoding="unicode")


def _add_ring(
    symbol: ET.Element,
    color: tuple[int, int, int, int],
    size_mm: float,
    width_mm: float,
    *,
    fill: tuple[int, int, int, int],
) -> None:
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleMarker", "enabled": "1"})
    values = {
        "name": "circle",
        "color": ",".join(map(str, fill)),
        "outline_color": ",".join(map(str, color)),
        "outline_width": width_mm,
        "size": size_mm,
    }
    for key, value in values.items():
        ET.SubElement(layer, "prop", k=key, v=str(value))
