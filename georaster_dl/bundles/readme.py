"""Text of a bundle: the use of each file, the classes, and the origin of the map."""

from __future__ import annotations

import re
from collections.abc import Sequence

from georaster_dl import __version__
from georaster_dl.bundles.contents import Item
from georaster_dl.bundles.map_file import BundleMap
from georaster_dl.core.geography import crs_name
from georaster_dl.core.legend import color_hex
from georaster_dl.core.text import visible

__all__ = ["readme_text"]

_ORIGIN = {
    "GEORASTER_DL_MODEL": "model",
    "GEORASTER_DL_INPUT": "scene",
    "GEORASTER_DL_INPUT_BANDS": "bands",
    "GEORASTER_DL_PARAMETERS": "parameters",
    "GEORASTER_DL_CLEANED": "cleaned",
    "GEORASTER_DL_VERSION": "version of georaster_dl",
    "TIFFTAG_DATETIME": "made",
}


def readme_text(mapped: BundleMap, items: Sequence[Item], project: str) -> str:
    """Write the text, lines ended as Windows and all others read them.

    Parameters
    ----------
    items : files of the bundle.
    project : name of the file that QGIS opens.
    """
    rows, cols = mapped.scene.geobox.shape
    lines = [
        mapped.name,
        "=" * len(mapped.name),
        "",
        f"A map of {rows} x {cols} pixels (rows x cols), {crs_name(mapped.scene.geobox.crs)}.",
        f"Unzip all files into one folder. QGIS (3.22 or later) opens {project} with names and colours;",
        f"ArcGIS and programs of GDAL open {mapped.name}.",
        "",
        *_table("Files", [(item.name, item.about) for item in items]),
    ]
    if mapped.classes is not None:
        classes = [
            (str(entry.value), f"{entry.name}  {color_hex(entry.color)}")
            for entry in mapped.classes.legend.classes
        ]
        nodata = [(str(mapped.classes.legend.nodata), "no data")]
        lines += _table("Pixel values", classes + nodata)
    stated = [
        (what, _date(visible(mapped.tags[tag])))
        for tag, what in _ORIGIN.items()
        if tag in mapped.tags
    ]
    lines += _table("Origin", [(what, text) for what, text in stated if text])
    return "\r\n".join([*lines, f"Bundled by georaster_dl {__version__}.", ""])


def _date(text: str) -> str:
    """Write a date as 2026-11-30 where it is one as TIFF has it (2026:11:30 21:06:47); else the text as it is."""
    return re.sub(r"^(\d{4}):(\d\d):(\d\d) \d\d:\d\d:\d\d$", r"\1-\2-\3", text)


def _table(head: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    wide = max(len(name) for name, _text in rows)
    return [head, *(f"  {name.ljust(wide)}  {text}" for name, text in rows), ""]
