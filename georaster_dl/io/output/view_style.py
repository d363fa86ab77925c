"""Styles with display limits taken from a small view of a finished raster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from georaster_dl.io.output.provenance import fraction_bands
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.render.colors import ramp_limits
from georaster_dl.render.qml import write_color_style, write_ramp_style
from georaster_dl.render.stretch import image_limits, red_green_blue

__all__ = ["style_as_image", "style_by_tags", "style_by_values"]

_LONGEST = 1000  # side of the view in pixels


def style_by_values(path: Path, band: int = 1) -> None:
    """A colour ramp over the values of a band, counted from 1."""
    view = open_scene(path).select([band - 1]).thumbnail(_LONGEST)
    low, high = ramp_limits(view.array[0][view.valid])
    write_ramp_style(path, minimum=low, maximum=high, band=band)


def style_by_tags(path: Path, tags: Mapping[str, str]) -> None:
    """A colour ramp over the first band of a map: from 0 to 1 where its tags say that it is a fraction."""
    if fraction_bands(tags):
        write_ramp_style(path, minimum=0.0, maximum=1.0)
    else:
        style_by_values(path)


def style_as_image(path: Path) -> None:
    """Natural colours where the bands' wavelengths allow it, else the first bands."""
    scene = open_scene(path)
    shown = red_green_blue(scene.bands)
    view = scene.select(shown).thumbnail(_LONGEST)
    limits = image_limits(view.array, view.valid)
    write_color_style(path, bands=[index + 1 for index in shown], limits=limits)
