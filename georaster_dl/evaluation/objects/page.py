"""A comparison of objects as one HTML page, with a picture: missed and false objects in two colours."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from georaster_dl.evaluation.objects.layers import COLORS
from georaster_dl.evaluation.objects.result import HEADS, ObjectEvaluation
from georaster_dl.evaluation.report.pictures import Picture
from georaster_dl.evaluation.report.text import percent
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.render.html import render_page
from georaster_dl.render.png import raster_png
from georaster_dl.render.stretch import red_green_blue, stretched

__all__ = ["render_objects"]

_LONGEST = 1200
_STRIPE = 7  # pixels
_FILL, _FILL_PAPER = 0.5, 0.85  # how much of a scene, and of grey, a fill hides
_PAPER = 0.22, 0.24, 0.26  # grey, on which all three colours are seen
_WORDS = {
    "matched": "matched",
    "false": "false (mapped, not in the reference)",
    "missed": "missed (in the reference, not mapped)",
}

_Image = npt.NDArray[np.float64]
_Frames = dict[str, geopandas.GeoDataFrame]


def render_objects(evaluation: ObjectEvaluation, *, image: Path | None = None) -> str:
    """Make the page: figures, a picture and tables.

    Parameters
    ----------
    image : scene to draw the objects over.

    Raises
    ------
    GeoRasterError
        When the scene cannot be read.
    """
    t = evaluation.total
    pictures, striped = _pictures(evaluation, image)
    page = {
        "title": f"Objects of {evaluation.map.name}",
        "map": evaluation.map.name,
        "reference": evaluation.reference.name,
        "compared": evaluation.compared(),
        "cards": [(label, f"{figure} %", below) for label, figure, below in evaluation.summary()],
        "alarms": (),
        "warnings": evaluation.warnings,
        "notes": evaluation.notes,
        "pictures": pictures,
        "stripes": [COLORS["false"], COLORS["missed"]] if striped else None,
        "legend": (),
        "gaps": False,
        "heads": HEADS,
        "rows": evaluation.rows(),
        "threshold_heads": ("IoU", "matched", "F1", *(["AP"] if evaluation.scored else [])),
        "by_threshold": evaluation.by_threshold(),
        "count_error": percent(t.count_error),
        "quality": percent(t.panoptic_quality),
        "tolerance": evaluation.tolerance,
        "intervals": evaluation.intervals,
    }
    return render_page(
        "georaster_dl.evaluation.objects",
        "objects.html",
        page,
        parents={"report.html": "georaster_dl.evaluation.report"},
    )


def _pictures(evaluation: ObjectEvaluation, image: Path | None) -> tuple[list[Picture], bool]:
    """Draw the objects over a scene or, without one, over grey; none where there are no objects.

    Also tell whether there are stripes.
    """
    frames = {name: frame for name, frame in evaluation.objects.items() if len(frame)}
    if not frames:
        return [], False
    ground, grid = _ground(frames, image)
    shapes = {name: _shapes(frame, grid) for name, frame in frames.items()}
    striped = _fill(ground, grid, shapes, _FILL if image else _FILL_PAPER)
    for name in ("matched", "false", "missed"):
        if name in shapes:
            _outline(ground, grid, name, shapes[name])
    legend = tuple(
        (f"{_WORDS[name]}: {len(evaluation.objects[name]):,}", COLORS[name]) for name in _WORDS
    )
    caption = "" if image is None else f"over {image.name}"
    source = raster_png(ground, np.ones(ground.shape[:2], bool))
    return [Picture("Objects", source, caption, legend)], striped


def _ground(frames: _Frames, image: Path | None) -> tuple[_Image, GeoBox]:
    """Make the picture below (rows, cols, 3) and its grid, around all objects."""
    crs = next(iter(frames.values())).crs
    bounds = np.array([frame.total_bounds for frame in frames.values()])
    west, south = bounds[:, :2].min(axis=0).tolist()
    east, north = bounds[:, 2:].max(axis=0).tolist()
    room = 0.02 * max(east - west, north - south)
    box = west - room, south - room, east + room, north + room
    side = max(box[2] - box[0], box[3] - box[1]) / _LONGEST
    shape = math.ceil((box[3] - box[1]) / side), math.ceil((box[2] - box[0]) / side)
    grid = GeoBox(
        shape, Affine(side, 0, box[0], 0, -side, box[3]), None if crs is None else crs.to_wkt()
    )
    if image is None:
        return np.tile(np.array(_PAPER), (*shape, 1)), grid
    return _scene(image, grid)


def _scene(image: Path, around: GeoBox) -> tuple[_Image, GeoBox]:
    """The part of a scene around the objects."""
    scene = open_scene(image)
    scene = scene.select(red_green_blue(scene.bands))
    if around.crs is None or not isinstance(scene.geobox, GeoBox):
        raster = scene.thumbnail(_LONGEST)
        grid: Any = raster.geobox
    else:
        grid = around
        raster = replace(scene, geobox=grid).read()
    colors = np.asarray(stretched(raster.array, raster.valid), np.float64)
    colors[~raster.valid] = _PAPER
    return colors, grid


def _shapes(frame: geopandas.GeoDataFrame, grid: GeoBox) -> npt.NDArray[np.object_]:
    moved = frame if frame.crs is None or grid.crs is None else frame.to_crs(grid.crs.to_wkt())
    return np.asarray(moved.geometry.to_numpy(), object)


def _fill(
    ground: _Image, grid: GeoBox, shapes: dict[str, npt.NDArray[np.object_]], share: float
) -> bool:
    """Fill false and missed objects; where they overlap, in stripes of both colours.

    Also tell whether there are stripes.
    """
    rows, cols = ground.shape[:2]
    stripes = (np.arange(rows)[:, None] + np.arange(cols)) // _STRIPE % 2 == 0
    inside = {
        name: _burnt(shapes[name], grid, all_touched=True)
        for name in ("false", "missed")
        if name in shapes
    }
    both = np.logical_and.reduce([*inside.values()]) if len(inside) == 2 else False
    for name, where in inside.items():
        own = where & ~(both & (stripes != (name == "false")))
        ground[own] = (1 - share) * ground[own] + share * np.array(COLORS[name]) / 255
    return bool(np.any(both))


def _outline(ground: _Image, grid: GeoBox, name: str, shapes: npt.NDArray[np.object_]) -> None:
    """Draw outlines, with a dark rim."""
    color = np.array(COLORS[name]) / 255
    lines = shapely.boundary(shapes)
    side = math.sqrt(abs(grid.affine.determinant))
    ground[_burnt(shapely.buffer(lines, 1.5 * side, quad_segs=2), grid)] *= 0.35
    ground[_burnt(lines, grid, all_touched=True)] = color


def _burnt(
    shapes: npt.NDArray[np.object_], grid: GeoBox, *, all_touched: bool = False
) -> npt.NDArray[np.bool_]:
    return np.asarray(
        rasterize(shapes, out_shape=grid.shape, transform=grid.affine, all_touched=all_touched)
    ).astype(bool)
