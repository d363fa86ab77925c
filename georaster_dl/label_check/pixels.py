"""Pixels of labelled polygons, drawn from scenes strip by strip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from georaster_dl.core.events import Report, SceneStarted
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.labels.zones import RasterizedZones
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.label_check.polygons import LabelPolygons
from georaster_dl.pixels.inputs.strips import read_strips, strip_rows
from georaster_dl.predict.progress import Progress

__all__ = ["PolygonPixels", "draw_pixels"]

_Indexes = npt.NDArray[np.intp]

_MOST = 64  # pixels of a polygon in a scene: they are alike, and large ones should not decide all


@dataclass(frozen=True, eq=False)
class PolygonPixels:
    """Valid pixels of polygons.

    Attributes
    ----------
    values : (pixels, bands) physical values.
    polygons, scenes : (pixels,) number of the polygon among those of all files, and position of the scene.
    rows, cols : (pixels,) place in the scene.
    """

    values: npt.NDArray[np.float32]
    polygons: _Indexes
    scenes: _Indexes
    rows: _Indexes
    cols: _Indexes


def draw_pixels(
    polygons: Sequence[LabelPolygons], scenes: Sequence[Scene], seed: int, report: Report
) -> PolygonPixels:
    """Draw about 64 valid pixels of each polygon in each scene; all where it has fewer.

    Whether a pixel is drawn depends on its place, the polygon's size and the seed alone.

    Raises
    ------
    GeoRasterError
        When a scene cannot be read, or labels lie beside it.
    """
    parts: list[PolygonPixels] = []
    first = 0
    for each in polygons:
        for labelled in each.scenes:
            number = next(i for i, scene in enumerate(scenes) if scene is labelled.scene)
            zones = RasterizedZones(each.frame, labelled.scene.geobox, each.title)
            for values, found, rows, cols in _of_scene(
                labelled.scene, zones, len(each.frame), [seed, number], report
            ):
                scene = np.full(len(found), number, np.intp)
                parts.append(PolygonPixels(values, found + first, scene, rows, cols))
        first += len(each.frame)
    names = [each.name for each in fields(PolygonPixels)]
    return PolygonPixels(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in names)
    )


def _of_scene(
    scene: Scene, zones: RasterizedZones, n: int, seed: list[int], report: Report
) -> list[tuple[npt.NDArray[np.float32], _Indexes, _Indexes, _Indexes]]:
    rows, cols = scene.shape
    report(SceneStarted("cpu", scene.name, rows, cols))
    progress = Progress(rows * cols, report)
    whole = slice(0, cols)
    sizes = np.zeros(n, np.int64)
    with gdal_environment():
        for strip in strip_rows(scene):
            numbers = zones.read(strip, whole)
            sizes += np.bincount(numbers[numbers >= 0], minlength=n)
    share = np.append(_MOST / np.maximum(sizes, _MOST), 0)  # the last is of no polygon, -1
    found = []
    for read in read_strips(scene):
        numbers = zones.read(read.rows, whole)
        chance = np.stack(
            [
                np.random.default_rng([*seed, row]).random(cols)
                for row in range(read.rows.start, read.rows.stop)
            ]
        )
        drawn = (chance < share[numbers]) & read.valid
        row, col = drawn.nonzero()
        of_pixels = numbers[drawn].astype(np.intp)
        found.append((read.values[drawn[read.valid]], of_pixels, row + read.rows.start, col))
        progress(read.valid.size)
    return found
