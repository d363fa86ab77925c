"""The pictures of a report, as PNG inside the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.legend import Color
from georaster_dl.evaluation.inputs.maps import REJECTED
from georaster_dl.evaluation.report.fractions import FractionEvaluation
from georaster_dl.evaluation.report.pairs import pairs_png
from georaster_dl.evaluation.report.result import Evaluation, NumberEvaluation
from georaster_dl.evaluation.report.thumbnail import View
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.render.colors import (
    Colors,
    index_colors,
    mixed_colors,
    ramp_colors,
    ramp_limits,
    ramp_steps,
)
from georaster_dl.render.palette import apart_from, choose_colors, is_background
from georaster_dl.render.png import data_address, points_png, raster_png
from georaster_dl.render.stretch import red_green_blue, stretched

__all__ = [
    "Picture",
    "class_pictures",
    "embedded",
    "fraction_pictures",
    "number_pictures",
    "scene_picture",
]

_LONGEST_SCENE = 900
_PALE = 0.75  # how much of the map's colours is taken off under points
_RIGHT, _RIGHT_POINT = (226, 230, 233), (255, 255, 255)

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
    classes = [entry.color for entry in evaluation.matching.classes]
    mapped, known = _map_colors(evaluation, classes)
    first = Picture("Map", raster_png(mapped, known))
    if view.points is not None:
        compared = view.points[:, view.points[2] >= 0]
        places, (drawn, true) = compared[:2], compared[2:].astype(np.int64)
        pale = _PALE + (1 - _PALE) * mapped
        verdict = _Verdict(evaluation, drawn, true, _RIGHT_POINT)
        top = np.argsort(verdict.kinds > 0, kind="stable")  # errors lie on top
        return [
            first,
            Picture(
                "Reference points", points_png(pale, known, places, index_colors(true, classes)[0])
            ),
            Picture(
                "Errors",
                points_png(pale, known, places[:, top], verdict.colors[top]),
                legend=verdict.legend,
            ),
        ]
    reference = view.reference if view.reference is not None else np.full_like(view.mapped, -1)
    verdict = _Verdict(evaluation, view.mapped, reference, _RIGHT)
    referenced, labelled = index_colors(reference, classes)
    return [
        first,
        Picture("Reference", raster_png(referenced, labelled)),
        Picture(
            "Errors",
            raster_png(verdict.colors, (view.mapped >= 0) & labelled),
            legend=verdict.legend,
        ),
    ]


def _map_colors(evaluation: Evaluation, classes: Sequence[Color]) -> tuple[Colors, _Mask]:
    """Color the map: (rows, cols, 3), and (rows, cols) where it is no nodata."""
    mapped, rejected = evaluation.view.mapped, evaluation.rejected
    if rejected is None:
        return index_colors(mapped, classes)
    drawn = np.where(mapped == REJECTED, len(classes), mapped)
    return index_colors(drawn, [*classes, rejected.color])


class _Verdict:
    """Correct pixels and kinds of errors, in colours that no class has.

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
        labels = ["wrong"]
        if len(nothing) == 1:
            (other,) = nothing
            labels = [
                f"missed (mapped as {names[other]})",
                f"false alarm (in truth {names[other]})",
            ]
            self.kinds[wrong & (mapped != other)] = 2
            if len(there) > 2:
                labels.append("mapped as another class")
                self.kinds[wrong & (mapped != other) & (true != other)] = 3
        elif len(there) == 2:
            one, two = there
            labels = [
                f"{names[one]} mapped as {names[two]}",
                f"{names[two]} mapped as {names[one]}",
            ]
            self.kinds[wrong & (true == two)] = 2
        taken = [entry.color for entry in evaluation.matching.classes]
        colors = [right, *apart_from([*taken, _RIGHT, _RIGHT_POINT], len(labels))]
        self.colors = index_colors(self.kinds, colors)[0]
        self.legend = tuple(zip(["right", *labels], colors, strict=True))


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


def fraction_pictures(evaluation: FractionEvaluation) -> list[Picture]:
    """The map, its reference in the same colours, how far they are apart, and pairs of both as a diagram."""
    view, (ours, theirs) = evaluation.view, (list(places) for places in evaluation.view_of)
    mapped = view.mapped[ours]
    colors, known, legend = _fraction_colors(mapped, evaluation.names)
    pictures = [Picture("Map", raster_png(colors, known), legend=legend)]
    if view.reference is not None:
        true = view.reference[theirs]
        drawn, labelled, _ = _fraction_colors(true, evaluation.names)
        error = np.abs(mapped - true).mean(axis=0)
        most = max(ramp_limits(error))
        pictures += [
            Picture("Reference", raster_png(drawn, labelled), legend=legend),
            _ramp("Mean absolute error", error, "viridis", (0.0, most)),
        ]
    elif view.points is not None:
        measured = view.points[2 + len(view.mapped) :][theirs]
        drawn, _, _ = _fraction_colors(measured[:, None], evaluation.names)
        pale = _PALE + (1 - _PALE) * colors
        points = points_png(pale, known, view.points[:2], drawn[0])
        pictures.append(Picture("Reference points", points, legend=legend))
    source = data_address(pairs_png(evaluation.pairs, evaluation.names))
    words = "grey to dark: the share of the pairs; on the line both agree"
    return [*pictures, Picture("Mapped over measured", source, words)]


def _fraction_colors(
    fractions: npt.NDArray[np.floating[Any]], names: Sequence[str]
) -> tuple[Colors, _Mask, tuple[tuple[str, Color], ...]]:
    """Color fractions (names, rows, cols): mixed, or of a single one on a ramp; with the legend."""
    if len(names) > 1:
        palette = choose_colors(names)
        return *mixed_colors(fractions, palette), tuple(zip(names, palette, strict=True))
    ends = tuple(zip((f"{names[0]} 0", "0.5", "1"), ramp_steps((0.0, 0.5, 1.0)), strict=True))
    return ramp_colors(fractions[0], (0.0, 1.0)), np.isfinite(fractions[0]), ends


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
        raster = replace(scene, geobox=geobox.zoom_to(view.mapped.shape[-2:])).read()
    else:
        raster = scene.thumbnail(_LONGEST_SCENE)
    return Picture("Scene", raster_png(stretched(raster.array, raster.valid), raster.valid))


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
    return data_address(content)


def _ramp(title: str, numbers: npt.NDArray[Any], ramp: str, limits: tuple[float, float]) -> Picture:
    ends = ("dark", "bright") if ramp == "viridis" else ("blue", "red")
    caption = f"{ends[0]} {limits[0]:.3g} or less, {ends[1]} {limits[1]:.3g} or more"
    return Picture(
        title, raster_png(ramp_colors(numbers, limits, ramp), np.isfinite(numbers)), caption
    )
