"""GeoPackages, written with the style that QGIS shows them in."""

from __future__ import annotations

import sqlite3
import tempfile
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import geopandas
import pyogrio
from rasterio.errors import RasterioError

from georaster_dl.core.disk import writing
from georaster_dl.core.legend import Legend
from georaster_dl.io.vectors.layers import is_special

__all__ = ["open_geopackage", "store_qml", "store_style", "write_geopackage"]

_FAILURES = (
    pyogrio.errors.DataSourceError,
    pyogrio.errors.DataLayerError,
    pyogrio.errors.FeatureError,
    pyogrio.errors.FieldError,
    RasterioError,
)


def write_geopackage(out: Path, frame: geopandas.GeoDataFrame, **options: Any) -> None:
    """Write features to a layer named after the file.

    Parameters
    ----------
    out : the GeoPackage, replaced if it exists.
    options : of :func:`pyogrio.write_dataframe`.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    with open_geopackage(out) as path:
        pyogrio.write_dataframe(frame, path, driver="GPKG", layer=out.stem, **options)


@contextmanager
def open_geopackage(out: Path) -> Iterator[Path]:
    """Remove an existing file and give the path under which pyogrio writes it.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    with writing(out, *_FAILURES), _plain_path(out) as path:
        out.unlink(missing_ok=True)
        yield path


@contextmanager
def _plain_path(out: Path) -> Iterator[Path]:
    """Give another path of the file, where pyogrio would take a part of its own for a sign."""
    if not is_special(str(out.absolute())):
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="geodl-") as folder:
        link = Path(folder) / "folder"
        link.symlink_to(out.parent.absolute(), target_is_directory=True)
        made = link / f"{uuid.uuid4().hex}{out.suffix}"
        try:
            yield made
            made.replace(link / out.name)
        finally:
            made.unlink(missing_ok=True)


def store_style(out: Path, legend: Legend, *, field: str) -> None:
    """Store the style where QGIS itself keeps the default style of a GeoPackage's layer.

    Parameters
    ----------
    out : the GeoPackage, with one layer of its name.
    field : attribute of the layer that holds the names of the legend's classes.
    """
    store_qml(out, _categorized(legend, field), name="classes")


def store_qml(out: Path, qml: str, *, name: str, layer: str | None = None) -> None:
    """Store a style in QGIS's own format as the default of a GeoPackage's layer.

    Parameters
    ----------
    out : the GeoPackage.
    name : of the style.
    layer : that has no style yet; None takes the one that has the file's name.
    """
    with writing(out, sqlite3.Error), closing(sqlite3.connect(out)) as base, base:
        _insert_style(base, layer or out.stem, qml, name)


def _insert_style(base: sqlite3.Connection, layer: str, qml: str, name: str) -> None:
    base.execute(
        "CREATE TABLE IF NOT EXISTS layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "
        "f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256), "
        "f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT, "
        "useAsDefault BOOLEAN, description TEXT(32), owner TEXT(30), ui TEXT(30), "
        "update_time DATETIME DEFAULT CURRENT_TIMESTAMP)"
    )
    base.execute(
        "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles')"
    )
    base.execute(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "
        "styleName, styleQML, useAsDefault) VALUES ('', '', ?, 'geom', ?, ?, 1)",
        (layer, name, qml),
    )


def _categorized(legend: Legend, field: str) -> str:
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr=field)
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for index, entry in enumerate(legend.classes):
        ET.SubElement(
            categories,
            "category",
            symbol=str(index),
            value=entry.name,
            label=entry.name,
            render="true",
        )
        symbol = ET.SubElement(symbols, "symbol", name=str(index), type="fill", alpha="1")
        fill = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1"})
        color = ",".join(map(str, (*entry.color, 255)))
        # Old QGIS reads <prop>, newer reads <Option> and still understands <prop>.
        for key, value in (("color", color), ("style", "solid"), ("outline_style", "no")):
            ET.SubElement(fill, "prop", k=key, v=value)
    return ET.tostring(root, encoding="unicode")
