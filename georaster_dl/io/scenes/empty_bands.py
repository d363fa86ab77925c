"""Bands without any data, as imaging spectrometers have them where water vapour absorbs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from georaster_dl.core.wording import listed
from georaster_dl.io.blocks import strips
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.samples import read_windows
from georaster_dl.io.scenes.scene import Scene, SceneReader

__all__ = ["without_bands", "without_empty_bands"]

_STRIP_PIXELS = 2**22
_MOST_NAMED = 16
_PARTS = 8


def without_empty_bands(scene: Scene) -> Scene:
    """Leave out bands without a single valid pixel, and say so in the scene's remarks.

    A pixel is valid only where every band is, so one such band would leave none. Where some pixel is
    valid in a few windows there is no such band, and no more is read. A scene without any valid
    pixel stays as it is.

    Raises
    ------
    SceneError
        When a file is damaged or truncated.
    """
    if _sampled(scene):
        return scene
    everything = range(len(scene.planes))
    alive = _alive(scene, everything)
    if not alive or len(alive) == len(everything):
        return scene  # nodata, as far as the windows tell: no band differs from the others
    doubtful = (i for i in everything if i not in alive)
    empty = [scene.planes[i].band.name for i in doubtful if not _scanned(scene.select([i]))]
    return without_bands(scene, empty) if empty else scene


def without_bands(scene: Scene, names: Sequence[str]) -> Scene:
    """Leave out empty bands by their names, and say so in the scene's remarks."""
    kept = [i for i, band in enumerate(scene.bands) if band.name not in names]
    remark = (
        f"{scene.name}: left out, because they hold no data at all: {listed(names, _MOST_NAMED)}"
    )
    return replace(scene.select(kept), remarks=(*scene.remarks, remark))


def _alive(scene: Scene, bands: Sequence[int]) -> list[int]:
    """Bands with a valid pixel in a few windows; scenes of many are searched in parts, as few of them are empty."""
    step = -(-len(bands) // _PARTS)
    found: list[int] = []
    for start in range(0, len(bands), step):
        some = bands[start : start + step]
        if _sampled(scene.select(some)):
            found += some
        elif len(some) > 1:
            found += _alive(scene, some)
    return found


def _sampled(scene: Scene) -> bool:
    """Whether any pixel of a few windows is valid in all bands."""
    return any(valid.any() for _, valid in read_windows(scene))


def _scanned(scene: Scene) -> bool:
    """Whether any pixel at all is valid."""
    cols = slice(0, scene.shape[1])
    with gdal_environment(), SceneReader(scene) as reader:
        return any(
            np.any(reader.read(rows, cols)[1])
            for rows in strips(scene.shape, _STRIP_PIXELS, scene.block_rows)
        )
