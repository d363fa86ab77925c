"""How outputs look in QGIS and GDAL: colour table, class names, attribute table, ``.qml``.

QGIS before 3.30 ignores attribute tables and shows all 256 entries of a colour table, other GDAL
programs ignore ``.qml``: only all of them together show exactly the classes, named and coloured,
everywhere.
"""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from georaster_dl.core.disk import writing
from georaster_dl.core.errors import OutputError
from georaster_dl.core.legend import Legend, MapClass, color_hex
from georaster_dl.core.wording import counted
from georaster_dl.render.colors import ABOVE_LIMIT, BELOW_LIMIT, VIRIDIS, ramp_steps

__all__ = [
    "class_names_tag",
    "color_table",
    "write_class_style",
    "write_color_style",
    "write_limit_style",
    "write_ramp_style",
    "write_size_style",
]

_JUST_ABOVE = 1.000001  # of a limit of 1: two colours at one value are not kept apart

# CategoryNames is a list by pixel value, so a class numbered 60000 would need 60000 lines. The
# attribute table has no such gaps and names those classes.
_LONGEST_CATEGORY_LIST = 1024

# GDAL's numbers (gdal.h): GFT_Integer, GFT_String; GFU_Name, GFU_MinMax, GFU_Red .. GFU_Alpha.
_INTEGER, _STRING = 0, 2
_COLUMNS = (
    ("Value", _INTEGER, 5),
    ("Class", _STRING, 2),
    ("Red", _INTEGER, 6),
    ("Green", _INTEGER, 7),
    ("Blue", _INTEGER, 8),
    ("Alpha", _INTEGER, 9),
)


def color_table(legend: Legend) -> dict[int, tuple[int, int, int, int]]:
    """Colour table of a class raster: red, green, blue, alpha by pixel value, nodata transparent."""
    return {c.value: (*c.color, 255) for c in legend.classes} | {legend.nodata: (0, 0, 0, 0)}


def class_names_tag(legend: Legend) -> str:
    """Class names as JSON, pixel value to name, for the TIFF's own ``CLASS_NAMES`` tag."""
    return json.dumps({str(c.value): c.name for c in legend.classes}, ensure_ascii=False)


def write_class_style(path: Path, legend: Legend) -> None:
    """Write ``<path>.aux.xml`` and ``<stem>.qml`` beside a class raster.

    What GDAL already keeps in the ``.aux.xml`` (a CRS that TIFF cannot hold, statistics) stays.

    Parameters
    ----------
    path : the finished class raster with one band; it is not opened.
    legend : its classes.

    Raises
    ------
    OutputError
        When a file cannot be written or the existing ``.aux.xml`` is not XML.
    """
    sidecar = path.with_name(f"{path.name}.aux.xml")
    root = _existing_or_new(sidecar)
    band = root.find("PAMRasterBand[@band='1']")
    if band is None:
        band = ET.SubElement(root, "PAMRasterBand", band="1")
    for old in ("CategoryNames", "GDALRasterAttributeTable"):
        for element in band.findall(old):
            band.remove(element)
    names = _category_names(legend)
    if names is not None:
        band.append(names)
    band.append(_attribute_table(legend))
    _save(root, sidecar)
    _save(_paletted(legend), path.with_suffix(".qml"))


def write_ramp_style(path: Path, *, minimum: float, maximum: float, band: int = 1) -> None:
    """Write ``<stem>.qml`` that shows one band of a raster of quantities in colours.

    Without it QGIS shows bands 1, 2, 3 of any multi-band raster as red, green and blue.

    Parameters
    ----------
    path : the raster; it is not opened.
    minimum, maximum : values of the first and the last colour. They are fixed, so that maps of
        several scenes compare; in units of scaled values, which are what QGIS shows.
    band : the band to show, counted from 1.

    Raises
    ------
    OutputError
        When ``minimum`` is not below ``maximum`` or the file cannot be written.
    """
    if not minimum < maximum:
        raise OutputError(
            f"A colour ramp needs minimum < maximum, but got {minimum} and {maximum}."
        )
    steps = np.linspace(minimum, maximum, len(VIRIDIS))
    entries = [(value, f"{value:.4g}", color) for value, color in zip(steps, VIRIDIS, strict=True)]
    _save(_ramp(entries, band), path.with_suffix(".qml"))


def write_limit_style(path: Path, *, maximum: float) -> None:
    """Write ``<stem>.qml`` that shows band 1, of ratios to a limit, in other colours above 1 than below.

    Parameters
    ----------
    path : the raster; it is not opened.
    maximum : ratio shown in the last colour, above 1.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    below = np.linspace(0, 1, len(BELOW_LIMIT))
    above = np.linspace(_JUST_ABOVE, maximum, len(ABOVE_LIMIT))
    labels = [f"{value:.2g}" for value in below[:-1]] + ["1 (limit)", "above the limit"]
    labels += [f"{value:.2g}" for value in above[1:]]
    colors = (*BELOW_LIMIT, *ABOVE_LIMIT)
    entries = list(zip((*below, *above), labels, colors, strict=True))
    _save(_ramp(entries, 1), path.with_suffix(".qml"))


def _ramp(entries: Sequence[tuple[float, str, str]], band: int) -> ET.Element:
    """A style of values, labels and colours, with all colours between."""
    minimum, maximum = entries[0][0], entries[-1][0]
    root, pipe = _qgis()
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        type="singlebandpseudocolor",
        band=str(band),
        opacity="1",
        alphaBand="-1",
        nodataColor="",
        classificationMin=f"{minimum:.9g}",
        classificationMax=f"{maximum:.9g}",
    )
    ET.SubElement(renderer, "rasterTransparency")
    limits = ET.SubElement(renderer, "minMaxOrigin")
    ET.SubElement(limits, "limits").text = "None"  # "None" keeps our limits instead of rescanning
    shader = ET.SubElement(
        ET.SubElement(renderer, "rastershader"),
        "colorrampshader",
        colorRampType="INTERPOLATED",
        classificationMode="1",
        clip="0",
        minimumValue=f"{minimum:.9g}",
        maximumValue=f"{maximum:.9g}",
    )
    for value, label, color in entries:
        ET.SubElement(shader, "item", value=f"{value:.9g}", label=label, color=color, alpha="255")
    return root


def write_size_style(path: Path, *, largest: int, band: int) -> None:
    """Write ``<stem>.qml`` that shows a band with numbers of classes, from dark for one to bright.

    Parameters
    ----------
    path : the raster; it is not opened.
    largest : number of classes that is shown brightest.
    band : the band to show, counted from 1.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    sizes = range(1, largest + 1)
    # Colours by the logarithm: it matters whether a pixel may be two classes or three, hardly 12 or 13.
    colors = ramp_steps([math.log(size) / math.log(max(largest, 2)) for size in sizes])
    entries = [
        MapClass(size, counted(size, "class"), color)
        for size, color in zip(sizes, colors, strict=True)
    ]
    _save(_paletted(Legend(tuple(entries)), band), path.with_suffix(".qml"))


def write_color_style(
    path: Path, *, bands: Sequence[int], limits: Sequence[tuple[float, float]]
) -> None:
    """Write ``<stem>.qml`` that shows three bands of a raster as red, green and blue.

    Parameters
    ----------
    path : the raster; it is not opened.
    bands : those shown in red, green and blue, counted from 1.
    limits : of each, the values shown darkest and brightest.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    root, pipe = _qgis()
    colors = dict(zip(("red", "green", "blue"), bands, strict=True))
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        {f"{color}Band": str(band) for color, band in colors.items()},
        type="multibandcolor",
        opacity="1",
        alphaBand="-1",
        nodataColor="",
    )
    ET.SubElement(renderer, "rasterTransparency")
    origin = ET.SubElement(renderer, "minMaxOrigin")
    ET.SubElement(origin, "limits").text = "None"
    for color, (darkest, brightest) in zip(colors, limits, strict=True):
        stretch = ET.SubElement(renderer, f"{color}ContrastEnhancement")
        ET.SubElement(stretch, "minValue").text = f"{darkest:.9g}"
        ET.SubElement(stretch, "maxValue").text = f"{brightest:.9g}"
        ET.SubElement(stretch, "algorithm").text = "StretchToMinimumMaximum"
    _save(root, path.with_suffix(".qml"))


def _existing_or_new(sidecar: Path) -> ET.Element:
    if not sidecar.exists():
        return ET.Element("PAMDataset")
    try:
        # GDAL or QGIS wrote this file on this disk; nothing of it came from a model or the net.
        return ET.parse(sidecar).getroot()
    except (ET.ParseError, OSError) as error:
        raise OutputError(
            f"Cannot add class names to {sidecar}: {error}; delete that file and run again."
        ) from error


def _category_names(legend: Legend) -> ET.Element | None:
    """Names by pixel value from 0 up; None when the list would be too long to be of use."""
    by_value = {c.value: c.name for c in legend.classes}
    if max(by_value) >= _LONGEST_CATEGORY_LIST:
        return None
    names = ET.Element("CategoryNames")
    for value in range(max(by_value) + 1):
        ET.SubElement(names, "Category").text = by_value.get(value, "")
    return names


def _attribute_table(legend: Legend) -> ET.Element:
    table = ET.Element("GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(_COLUMNS):
        column = ET.SubElement(table, "FieldDefn", index=str(index))
        ET.SubElement(column, "Name").text = name
        ET.SubElement(column, "Type").text = str(kind)
        ET.SubElement(column, "Usage").text = str(usage)
    for index, entry in enumerate(legend.classes):
        row = ET.SubElement(table, "Row", index=str(index))
        for cell in (entry.value, entry.name, *entry.color, 255):
            ET.SubElement(row, "F").text = str(cell)
    return table


def _paletted(legend: Legend, band: int = 1) -> ET.Element:
    root, pipe = _qgis()
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        type="paletted",
        band=str(band),
        opacity="1",
        alphaBand="-1",
        nodataColor="",
    )
    ET.SubElement(renderer, "rasterTransparency")
    palette = ET.SubElement(renderer, "colorPalette")
    for entry in legend.classes:
        ET.SubElement(
            palette,
            "paletteEntry",
            value=str(entry.value),
            label=entry.name,
            color=color_hex(entry.color),
            alpha="255",
        )
    return root


def _qgis() -> tuple[ET.Element, ET.Element]:
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    return root, ET.SubElement(root, "pipe")


def _save(root: ET.Element, path: Path) -> None:
    ET.indent(root)
    with writing(path):
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=path.suffix == ".qml")
