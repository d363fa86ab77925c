"""The pictures of a report, as PNG inside the page."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from PIL import Image

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Color
from georaster_dl.core.raster import Georeference
from georaster_dl.evaluate.report.result import Evaluation, NumberEvaluation
from georaster_dl.evaluate.report.thumbnail import View
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.render.display import (
    Colors,
    hatched,
    ramp_colors,
    ramp_limits,
    red_green_blue,
    stretched,
)
from georaster_dl.render.palette import apart_from, is_background

__all__ = ["Picture", "class_pictures", "embedded", "number_pictures", "scene_picture"]

_LONGEST_SCENE = 900
_LONGEST = 1200  # pixels of a side: what a page shows small stays sharp on any screen
_PALE = 0.75  # how much of the map's colours is taken off under points
_RIGHT, _RIGHT_POINT, _RIM = (226, 230, 233), (255, 255, 255), (38, 42, 46)
_RADII = 0.004, 0.013  # of a point, in sides of the picture: of thousands, and of a few

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Picture:
    """One picture of the page.

    Attributes
    ----------
    title : what it shows, also read out instead of it.
    source : the PNG as a ``data:`` address.
    caption : one line below, may be empty.
    legend : names and colours of what it shows, where these are not the classes.
    """

    title: str
    source: str
    caption: str = ""
    legend: tuple[tuple[str, Color], ...] = ()


def class_pictures(evaluation: Evaluation) -> list[Picture]:
    """The map, its reference, and where the two differ."""
    view = evaluation.view
    table = np.array([entry.color for entry in evaluation.matching.classes]) / 255
    mapped, known = table[view.mapped], view.mapped >= 0
    first = Picture("Map", _png(mapped, known))
    if view.points is not None:
        places, (drawn, true) = view.points[:2], view.points[2:].astype(np.int64)
        pale = _PALE + (1 - _PALE) * mapped
        verdict = _Verdict(evaluation, drawn, true, _RIGHT_POINT)
        top = np.argsort(verdict.kinds > 0, kind="stable")  # errors lie on top
        return [
            first,
            Picture("Reference points", _dotted(pale, known, places, table[true])),
            Picture(
                "Errors",
                _dotted(pale, known, places[:, top], verdict.colors[top]),
                legend=verdict.legend,
            ),
        ]
    reference = view.reference if view.reference is not None else np.full_like(view.mapped, -1)
    verdict = _Verdict(evaluation, view.mapped, reference, _RIGHT)
    compared = known & (reference >= 0)
    return [
        first,
        Picture("Reference", _png(table[reference], reference >= 0)),
        Picture("Errors", _png(verdict.colors, compared), legend=verdict.legend),
    ]


class _Verdict:
    """What is right and how the rest is wrong, in colours that no class has.

    Where one class is the background, or where there are only two, an error is of one of two
    kinds: something is missed, or mapped where it is not.

    Attributes
    ----------
    kinds : 0 right, 1 and more the kinds of errors, of pixels or points.
    colors : (..., 3) in 0..1 of the same.
    legend : names and colours of the kinds.
    """

    def __init__(
        self, evaluation: Evaluation, mapped: npt.NDArray[Any], true: npt.NDArray[Any], right: Color
    ) -> None:
        names = evaluation.confusion.names
        there = np.flatnonzero(evaluation.confusion.occurs).tolist()
        stated = evaluation.matching.background
        nothing = [i for i in there if is_background(names[i])] if stated is None else [stated]
        wrong = mapped != true
        self.kinds = wrong.astype(np.int64)
        told = ["wrong"]
        if len(nothing) == 1:
            (other,) = nothing
            told = [f"missed (mapped as {names[other]})", f"false alarm (in truth {names[other]})"]
            self.kinds[wrong & (mapped != other)] = 2
            if len(there) > 2:
                told.append("mapped as another class")
                self.kinds[wrong & (mapped != other) & (true != other)] = 3
        elif len(there) == 2:
            one, two = there
            told = [f"{names[one]} mapped as {names[two]}", f"{names[two]} mapped as {names[one]}"]
            self.kinds[wrong & (true == two)] = 2
        taken = [entry.color for entry in evaluation.matching.classes]
        colors = [right, *apart_from([*taken, _RIGHT, _RIGHT_POINT], len(told))]
        self.colors = np.array(colors)[self.kinds] / 255
        self.legend = tuple(zip(["right", *told], colors, strict=True))


def number_pictures(evaluation: NumberEvaluation) -> list[Picture]:
    """The map, its reference on the same scale of colours, and their difference."""
    view = evaluation.view
    if view.points is not None or view.reference is None:
        return [_ramp("Map", view.mapped, "viridis", ramp_limits(view.mapped))]
    limits = ramp_limits(np.stack([view.mapped, view.reference]))
    error = view.mapped - view.reference
    most = max(map(abs, ramp_limits(error)))
    return [
        _ramp("Map", view.mapped, "viridis", limits),
        _ramp("Reference", view.reference, "viridis", limits),
        _ramp("Map minus reference", error, "RdBu_r", (-most, most)),
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
    return Picture("Scene", _png(stretched(raster.array, raster.valid), raster.valid))


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
        raise OptionError(
            f"The curves {path} cannot be read: {error.strerror}; check the path."
        ) from error
    if not content.startswith(b"\x89PNG"):
        raise OptionError(
            f"The curves {path} are no PNG; give the picture of the training's curves."
        )
    return _address(content)


def _png(colors: Colors, known: _Mask) -> str:
    """(rows, cols, 3) enlarged to whole pixels, hatched where nothing is known."""
    return _address(_encoded(_enlarged(colors, known, _LONGEST // max(known.shape))))


def _enlarged(colors: Colors, known: _Mask, zoom: int) -> Image.Image:
    along = [np.arange(length * max(zoom, 1)) // max(zoom, 1) for length in known.shape]
    pixels = np.ix_(*along)
    there = known[pixels]
    shown = np.where(there[..., None], colors[pixels], hatched(there.shape))
    return Image.fromarray(np.round(shown * 255).astype(np.uint8))


def _encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _dotted(ground: Colors, known: _Mask, places: Colors, colors: Colors) -> str:
    """Discs with a dark rim at (2, points) rows and cols of the ground; the fewer, the larger."""
    zoom = -(-_LONGEST // max(known.shape))
    image = _enlarged(ground, known, zoom)
    share = np.clip(0.3 / math.sqrt(max(len(colors), 1)), *_RADII)
    radius = float(share * max(image.size))
    rim, fill = _disc(radius, radius), _disc(radius, 0.72 * radius)
    corners = np.round(places.T[:, ::-1] * zoom - rim.width / 2).astype(int)
    for corner, color in zip(corners.tolist(), np.round(colors * 255).astype(int), strict=True):
        image.paste(_RIM, tuple(corner), rim)
        image.paste(tuple(color.tolist()), tuple(corner), fill)
    return _address(_encoded(image))


def _disc(half: float, radius: float) -> Image.Image:
    """Mask of a disc with soft edges, in a square of that half side."""
    side = 2 * math.ceil(half) + 1
    along = np.arange(side) - side // 2
    inside = np.clip(radius - np.hypot(along[:, None], along) + 0.5, 0, 1)
    return Image.fromarray(np.round(inside * 255).astype(np.uint8))


def _ramp(title: str, numbers: npt.NDArray[Any], ramp: str, limits: tuple[float, float]) -> Picture:
    ends = ("dark", "bright") if ramp == "viridis" else ("blue", "red")
    caption = f"{ends[0]} {limits[0]:.3g} or less, {ends[1]} {limits[1]:.3g} or more"
    return Picture(title, _png(ramp_colors(numbers, limits, ramp), np.isfinite(numbers)), caption)
