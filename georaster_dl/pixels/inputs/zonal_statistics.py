"""Zonal statistics: mean and standard deviation of every band in each polygon, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.labels.zones import RasterizedZones
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.pixels.inputs.strips import Strip, read_strips, strip_rows
from georaster_dl.predict.progress import Progress

__all__ = ["ZonalSums", "zonal_statistics", "zonal_sums"]


@dataclass(frozen=True)
class ZonalSums:
    """Sums over the valid pixels of each polygon: number (polygons,), values and squared values (polygons, bands)."""

    count: npt.NDArray[np.int64]
    total: npt.NDArray[np.float64]
    squared: npt.NDArray[np.float64]

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """(polygons, bands), NaN where a polygon has no valid pixel."""
        with np.errstate(invalid="ignore"):  # 0 / 0 is what is meant by NaN here
            return np.asarray(self.total / self.count[:, None])

    def add(self, numbers: npt.NDArray[np.int32], values: npt.NDArray[np.float32]) -> None:
        """Add pixels (pixels, bands) of the polygons of these numbers (pixels,)."""
        here, place = np.unique(numbers, return_inverse=True)
        self.count[here] += np.bincount(place)
        for band, column in enumerate(values.T.astype(np.float64)):
            self.total[here, band] += np.bincount(place, column)
            self.squared[here, band] += np.bincount(place, column**2)


def zonal_statistics(
    scene: Scene, polygons: RasterizedZones, n_polygons: int, progress: Progress
) -> npt.NDArray[np.float32]:
    """Compute mean and standard deviation of every band in every polygon, of the pixels of ``zonal_sums``.

    Returns
    -------
    (polygons, 2 x bands): the means, then the deviations; NaN where a polygon has no valid pixel.
    """
    sums = zonal_sums(scene, polygons, n_polygons, progress)
    mean = sums.mean
    with np.errstate(invalid="ignore"):
        variance = sums.squared / sums.count[:, None] - mean**2
    deviation = np.sqrt(np.maximum(variance, 0))
    return np.concatenate([mean, deviation], axis=1).astype(np.float32)


def zonal_sums(
    scene: Scene, polygons: RasterizedZones, n_polygons: int, progress: Progress
) -> ZonalSums:
    """Sum every band over the valid pixels of every polygon.

    A pixel belongs to the polygon that covers its centre. Polygons that cover none, because they
    are small or others lie on top, have all pixels that they touch. Memory grows with polygons
    times bands, not with pixels.
    """
    bands = len(scene.planes)
    sums = ZonalSums(
        np.zeros(n_polygons, np.int64),
        np.zeros((n_polygons, bands)),
        np.zeros((n_polygons, bands)),
    )
    small = _without_centre(scene, polygons, n_polygons)
    for strip in read_strips(scene):
        whole = slice(0, scene.shape[1])
        numbers = polygons.read(strip.rows, whole)[strip.valid]
        inside = numbers >= 0
        sums.add(numbers[inside], strip.values[inside])
        _add_small(sums, strip, polygons, small)
        progress(strip.valid.size)
    return sums


def _without_centre(
    scene: Scene, polygons: RasterizedZones, n_polygons: int
) -> npt.NDArray[np.bool_]:
    """(polygons,) True where a polygon has no pixel to itself, valid or not."""
    small = np.ones(n_polygons, bool)
    with gdal_environment():
        for rows in strip_rows(scene):
            numbers = polygons.read(rows, slice(0, scene.shape[1]))
            small[numbers[numbers >= 0]] = False
    return small


def _add_small(
    sums: ZonalSums, strip: Strip, polygons: RasterizedZones, small: npt.NDArray[np.bool_]
) -> None:
    if not small.any():
        return
    place = np.cumsum(strip.valid).reshape(strip.valid.shape) - 1
    whole = slice(0, strip.valid.shape[1])
    for number, rows, cols in polygons.touched(strip.rows, whole, small):
        valid = strip.valid[rows, cols]
        values = strip.values[place[rows[valid], cols[valid]]]
        sums.add(np.full(len(values), number, np.int32), values)
