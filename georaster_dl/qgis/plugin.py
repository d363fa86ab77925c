"""Folder of the plugin as it was installed with the package, and its metadata."""

from __future__ import annotations

import configparser
import importlib.util
from pathlib import Path

from georaster_dl.core.errors import PluginError

__all__ = ["PLUGIN", "SKIPPED", "TITLE", "parse_metadata", "plugin_folder", "plugin_version"]

PLUGIN = "georaster_dl_qgis"  # the folder's name is the plugin's name to QGIS
TITLE = "GeoRaster DL"
SKIPPED = ("__pycache__", "*.pyc", "*.pyo")  # what Python leaves behind by itself


def plugin_folder() -> Path:
    """Folder of the plugin that came with this package; it is found, not imported.

    Raises
    ------
    PluginError
        When the installation lacks it.
    """
    spec = importlib.util.find_spec(PLUGIN)
    if spec is None or spec.origin is None:
        raise PluginError(
            f"The folder {PLUGIN} of the QGIS plugin is not part of this installation of georaster_dl; "
            f"install the package again."
        )
    return Path(spec.origin).parent


def parse_metadata(text: str) -> dict[str, str]:
    """Entries of ``metadata.txt``'s section ``general``, read by the parser that QGIS uses.

    Raises
    ------
    PluginError
        When QGIS could not read it: no such section, an entry twice, a bare ``%``.
    """
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # keys keep their case
    try:
        parser.read_string(text)
        return dict(parser["general"])
    except (configparser.Error, KeyError) as error:
        told = " ".join(str(error).split())
        raise PluginError(
            f"metadata.txt cannot be read ({told}); it needs a section [general] with one line per key, "
            f"and %% for each %."
        ) from error


def plugin_version(folder: Path) -> str | None:
    """Version of our plugin in this folder; None where it is not our plugin."""
    try:
        entries = parse_metadata((folder / "metadata.txt").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return entries.get("version", "?") if entries.get("name") == TITLE else None
