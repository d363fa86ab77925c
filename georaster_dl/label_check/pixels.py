"""Pixels of labelled polygons, drawn from scenes strip by strip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

_MOST = 64  # pixels of a polygon in a scene: they are alike, and large ones should not decide all


@dataclass(frozen=True, eq=False)
class PolygonPixels:
    """Valid pixels of polygons.

    Attributes
    ----------
    values : (pixels, bands) physical values.
    polygons, scenes : (pixels,) number of the polygon among those of all files, and position of the scene.
    """

    values: npt.NDArray[np.float32]
    polygons: npt.NDArray[np.intp]
    scenes: npt.NDArray[np.intp]


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
    parts: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.intp], int]] = []
    first = 0
    for each in polygons:
        for labelled in each.scenes:
            number = next(i for i, scene in enumerate(scenes) if scene is labelled.scene)
            zones = RasterizedZones(each.frame, labelled.scene.geobox, each.title)
            for values, found in _of_scene(
                labelled.scene, zones, len(each.frame), [seed, number], report
            ):
                parts.append((values, found + first, number))
        first += len(each.frame)
    return PolygonPixels(
        np.concatenate([values for values, _, _ in parts]),
        np.concatenate([found for _, found, _ in parts]),
        np.concatenate([np.full(len(found), number, np.intp) for _, found, number in parts]),
    )


def _of_scene(
    scene: Scene, zones: RasterizedZones, n: int, seed: list[int], report: Report
) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]]:
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
        drawn = (chance < share[numbers])[read.valid]
        found.append((read.values[drawn], numbers[read.valid][drawn].astype(np.intp)))
        progress(read.valid.size)
    return found
