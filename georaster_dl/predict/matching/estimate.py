"""Estimates of a scene's nodata share and of a run's time, without torch and without a full read."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.samples import spread_windows
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.models.package.card import Card
from georaster_dl.predict.engine.tiling_plan import Plan

__all__ = ["NodataShare", "estimated_seconds", "nodata_share"]

_READ_WHOLE = 8_000_000  # numbers; about a tenth of a second
_CONVOLUTION = 0.6  # share of a matrix product's speed that convolutions of this kind reach


@dataclass(frozen=True)
class NodataShare:
    """Share of a scene's pixels without a measurement, and whether every pixel was looked at."""

    share: float
    exact: bool


def nodata_share(scene: Scene) -> NodataShare:
    """Share of pixels that are not valid in every band.

    Bands that the file's own list calls bad do not count. A large scene is judged by 25 windows
    spread evenly over it and by its first, middle and last band.
    """
    good = [i for i, band in enumerate(scene.bands) if band.good] or list(range(len(scene.bands)))
    rows, cols = scene.shape
    if rows * cols * len(good) <= _READ_WHOLE:
        scene = scene.select(good)
        windows = [(slice(0, rows), slice(0, cols))]
        exact = True
    else:
        scene = scene.select(sorted({good[0], good[len(good) // 2], good[-1]}))
        windows = spread_windows(scene.shape)
        exact = False
    with gdal_environment(), SceneReader(scene) as reader:
        valid = [reader.read(*window)[1] for window in windows]
    return NodataShare(1 - float(np.mean([v.mean() for v in valid])), exact)


def estimated_seconds(plan: Plan, card: Card) -> float:
    """Seconds that the network would take on this processor, within a factor of about two.

    The processor's speed is that of a matrix product timed here and now.
    """
    side = 768
    a = np.ones((side, side), np.float32)
    a @ a  # the first call starts the threads
    best = min(_timed(a) for _ in range(3))
    macs_per_second = side**3 / best * _CONVOLUTION
    return plan.pixels * card.cost.macs_per_pixel / macs_per_second


def _timed(a: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> float:
    begun = time.perf_counter()
    a @ a
    return time.perf_counter() - begun
