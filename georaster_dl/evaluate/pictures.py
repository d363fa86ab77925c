"""The pictures of a report, as PNG inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from georaster_dl.errors import OptionError
from georaster_dl.evaluate.result import Evaluation, NumberEvaluation
from georaster_dl.evaluate.view import View
from georaster_dl.io.display import red_green_blue, stretched
from georaster_dl.io.reader import open_scene
from georaster_dl.raster import Georeference

__all__ = ["Picture", "class_pictures", "embedded", "number_pictures", "scene_picture"]

_Colors = npt.NDArray[np.float64]
_LONGEST_SCENE = 900
_POINTS_LONGEST = 800

_RIGHT, _WRONG, _MISSING = (198, 219, 216), (197, 27, 27), (255, 255, 255)
_RIGHT_POINT = (20, 184, 166)


@dataclass(frozen=True)
class Picture:
    """One picture of the page.

    Attributes
    ----------
    title : what it shows, also read out instead of it.
    source : the PNG as a ``data:`` address.
    caption : one line below, may be empty.
    """

    title: str
    source: str
    caption: str = ""


def class_pictures(evaluation: Evaluation) -> list[Picture]:
    """The map, its reference, and where the two differ."""
    view = evaluation.view
    colors = [entry.color for entry in evaluation.matching.classes]
    table = np.array([*colors, _MISSING]) / 255  # the last answers for index -1
    mapped = table[view.mapped]
    if view.points is not None:
        # Errors come last and thus on top.
        points = view.points[:, np.argsort(view.points[2] != view.points[3], kind="stable")]
        places = points[:2]
        drawn, true = points[2:].astype(np.int64)
        verdict = np.array([_WRONG, _RIGHT_POINT])[(drawn == true).astype(int)] / 255
        truth = table[true]
        pale = 0.75 + 0.25 * mapped
        return [
            Picture("Map", _png(mapped)),
            Picture("Reference points", _png(_dotted(pale, places, truth))),
            Picture("Errors", _png(_dotted(pale, places, verdict)), "green is right, red is wrong"),
        ]
    reference = view.reference if view.reference is not None else np.full_like(view.mapped, -1)
    known = (reference >= 0) & (view.mapped >= 0)
    verdict = np.where(known[..., None], np.array(_RIGHT) / 255, np.array(_MISSING) / 255)
    verdict[known & (reference != view.mapped)] = np.array(_WRONG) / 255
    return [
        Picture("Map", _png(mapped)),
        Picture("Reference", _png(table[reference])),
        Picture("Errors", _png(verdict), "red is wrong, grey is right, white was not compared"),
    ]


def number_pictures(evaluation: NumberEvaluation) -> list[Picture]:
    """The map, its reference on the same scale of colours, and their difference."""
    view = evaluation.view
    if view.points is not None or view.reference is None:
        low, high = _range(view.mapped)
        return [_ramp("Map", view.mapped, "viridis", low, high)]
    low, high = _range(np.stack([view.mapped, view.reference]))
    error = view.mapped - view.reference
    most = max(abs(end) for end in _range(error))
    return [
        _ramp("Map", view.mapped, "viridis", low, high),
        _ramp("Reference", view.reference, "viridis", low, high),
        _ramp("Map minus reference", error, "RdBu_r", -most, most),
    ]


def scene_picture(path: Path, view: View, geobox: Georeference) -> Picture:
    """The scene in natural colours over the map's extent.

    Raises
    ------
    GeoRasterError
        When the scene cannot be read.
    """
    scene = open_scene(path)
    scene = scene.select(red_green_blue(scene.bands))
    if isinstance(geobox, GeoBox) and isinstance(scene.geobox, GeoBox) and geobox.crs is not None:
        raster = replace(scene, geobox=geobox.zoom_to(view.mapped.shape)).read()
    else:
        raster = scene.thumbnail(_LONGEST_SCENE)
    return Picture("Scene", _png(stretched(raster.array, raster.valid)))


def embedded(path: Path) -> str:
    """A PNG file as a ``data:`` address.

    Raises
    ------
    OptionError
        When it is no PNG.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OptionError(f"--curves {path} cannot be read: {error.strerror}.") from error
    if not content.startswith(b"\x89PNG"):
        raise OptionError(f"--curves {path} is no PNG; give the picture of the training's curves.")
    return _address(content)


def _png(colors: _Colors) -> str:
    from matplotlib.image import imsave

    file = io.BytesIO()
    imsave(file, np.round(colors * 255).astype(np.uint8), format="png")
    return _address(file.getvalue())


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _dotted(ground: _Colors, places: _Colors, colors: _Colors) -> _Colors:
    """Squares with a dark rim at (2, points) rows and cols of the ground, which is drawn larger."""
    zoom = -(-_POINTS_LONGEST // max(ground.shape[:2]))
    out = ground.repeat(zoom, axis=0).repeat(zoom, axis=1)
    half = max(out.shape[:2]) // 200
    for (row, col), color in zip((places.T * zoom).astype(int), colors, strict=True):
        for reach, paint in ((half, np.full(3, 0.15)), (half - 1, color)):
            rows = slice(max(row - reach, 0), row + reach + 1)
            out[rows, max(col - reach, 0) : col + reach + 1] = paint
    return out


def _range(numbers: npt.NDArray[Any]) -> tuple[float, float]:
    """The 2nd and 98th percentile of the known numbers."""
    known = numbers[np.isfinite(numbers)]
    low, high = np.percentile(known, [2, 98]) if known.size else (0.0, 1.0)
    return float(low), float(high)


def _ramp(title: str, numbers: npt.NDArray[Any], ramp: str, low: float, high: float) -> Picture:
    from matplotlib import colormaps

    known = np.isfinite(numbers)
    share = (np.where(known, numbers, low) - low) / (high - low or 1)
    colors = colormaps[ramp](np.clip(share, 0, 1))[..., :3]
    colors[~known] = 1
    ends = ("dark", "bright") if ramp == "viridis" else ("blue", "red")
    caption = f"{ends[0]} {low:.3g} or less, {ends[1]} {high:.3g} or more"
    return Picture(title, _png(colors), caption)
