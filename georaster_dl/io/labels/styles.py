"""Colours that people gave their labels in QGIS, ArcGIS or GDAL: styles in and beside label files.

A style is read where it is plain (one colour per class); any other, and one that cannot be read, says
nothing: colours never stop a run.
"""

from __future__ import annotations

import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from georaster_dl.core.legend import Color, parse_color

__all__ = ["raster_style", "stored_style", "vector_style"]

_LARGEST = 2**24  # bytes of a style
# GDAL's usages of a column: GFU_MinMax, GFU_Red, GFU_Green, GFU_Blue.
_VALUE, _RED, _GREEN, _BLUE = "5", "6", "7", "8"


def raster_style(path: Path, table: Mapping[int, Color]) -> dict[int, Color]:
    """Colours by pixel value: those of a ``.qml``, else an attribute table, the colour table, a ``.clr``.

    Parameters
    ----------
    path : the raster.
    table : its colour table, empty where it has none.
    """
    beside = path.with_name(f"{path.name}.aux.xml")
    return (
        dict(_paletted(stored_style(path)))
        or dict(_attribute_table(_xml(_text(beside))))
        or dict(table)
        or dict(_color_map(_text(path.with_suffix(".clr")) or ""))
    )


def vector_style(path: Path, layer: str | None, field: str) -> dict[str, Color]:
    """Colours by a field's value as text, of a style by categories in a GeoPackage or a ``.qml``.

    Parameters
    ----------
    path : the vector file.
    layer : whose default style is looked for.
    field : that holds the classes; labels of the categories count, too, whatever field they show.
    """
    return dict(_categories(stored_style(path, layer), field))


def stored_style(path: Path, layer: str | None = None) -> ET.Element | None:
    """Read a style in QGIS's own format: the default style of a GeoPackage's layer, else a ``.qml``.

    Parameters
    ----------
    path : raster or vector file.
    layer : of a vector file.

    Returns
    -------
    The root element; None where there is no style, or none that can be read.
    """
    return _xml(_in_database(path, layer) or _text(path.with_suffix(".qml")))


def _text(path: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        if path.is_file() and path.stat().st_size <= _LARGEST:
            return path.read_text("utf-8-sig")
    return None


def _xml(text: str | None) -> ET.Element | None:
    with suppress(ET.ParseError, ValueError):
        # QGIS writes a document type without entities.
        return None if text is None or "<!ENTITY" in text else ET.fromstring(text)
    return None


def _in_database(path: Path, layer: str | None) -> str | None:
    """The style that QGIS keeps in a GeoPackage or SpatiaLite file, the default one first."""
    if path.suffix.lower() not in (".gpkg", ".sqlite") or not path.is_file():
        return None
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base,
    ):
        row = base.execute(
            "SELECT styleQML FROM layer_styles WHERE f_table_name = ? AND styleQML IS NOT NULL "
            "ORDER BY useAsDefault DESC, id DESC",
            (layer,),
        ).fetchone()
        return str(row[0]) if row and len(row[0]) <= _LARGEST else None
    return None


def _categories(root: ET.Element | None, field: str) -> Iterator[tuple[str, Color]]:
    """Labels, then values: where both are the same text, the value's colour comes last and holds."""
    renderer = None if root is None else root.find(".//renderer-v2[@type='categorizedSymbol']")
    if renderer is None:
        return
    colors = {symbol.get("name"): _symbol_color(symbol) for symbol in renderer.iter("symbol")}
    ours = renderer.get("attr", "").strip('"').casefold() == field.casefold()
    for key in ("label", "value") if ours else ("label",):
        for category in renderer.iter("category"):
            color = colors.get(category.get("symbol"))
            text = category.get(key)
            if color is not None and text:
                yield text, color


def _symbol_color(symbol: ET.Element) -> Color | None:
    """Of a fill, a line or a marker; of the outline where a fill has none."""
    stated: dict[str, str] = {}
    for element in symbol.iter():
        name, value = (
            element.get("name") or element.get("k"),
            element.get("value") or element.get("v"),
        )
        if element.tag in ("prop", "Option") and name and value:
            stated.setdefault(name, value)
    filled = stated.get("style", "solid") != "no"
    for key in ("color", "line_color") if filled else ("outline_color",):
        with suppress(KeyError, ValueError):
            return _checked(*stated[key].split(",")[:3])
    return None


def _checked(*parts: Any) -> Color:
    red, green, blue = (int(part) for part in parts)
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError("no colour")
    return red, green, blue


def _paletted(root: ET.Element | None) -> Iterator[tuple[int, Color]]:
    if root is None:
        return
    exact = root.find(".//colorrampshader[@colorRampType='EXACT']")
    for entry in (*root.iter("paletteEntry"), *([] if exact is None else exact.iter("item"))):
        with suppress(ValueError):
            yield (
                int(float(entry.get("value", ""))),
                parse_color(entry.get("color", "").removeprefix("#")[:6]),
            )


def _attribute_table(root: ET.Element | None) -> Iterator[tuple[int, Color]]:
    table = None if root is None else root.find(".//GDALRasterAttributeTable")
    if table is None:
        return
    usages = [column.findtext("Usage", "") for column in table.iter("FieldDefn")]
    with suppress(ValueError):  # one of the columns is not there
        places = [usages.index(usage) for usage in (_VALUE, _RED, _GREEN, _BLUE)]
        for row in table.iter("Row"):
            cells = [cell.text or "" for cell in row.iter("F")]
            with suppress(ValueError, IndexError):
                value, *color = (cells[place] for place in places)
                yield int(float(value)), _checked(*color)


def _color_map(text: str) -> Iterator[tuple[int, Color]]:
    """Lines of a value and red, green, blue, separated by blanks."""
    for line in text.splitlines():
        with suppress(ValueError):
            value, *color = line.split()[:4]
            yield int(value), _checked(*color)
