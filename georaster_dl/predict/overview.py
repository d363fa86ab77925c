"""The quicklook of a run: a small view of the scene beside a small view of its map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.bands import Band
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.quicklook import write_quicklook
from georaster_dl.io.reader import open_scene
from georaster_dl.io.scene import Scene, SceneReader
from georaster_dl.legend import Legend

__all__ = ["write_overview"]

_LONGEST = 1200
_RED_GREEN_BLUE_NM = (665.0, 560.0, 490.0)
_TOLERANCE_NM = 40.0


def write_overview(
    scene: Scene, class_map: Path, out: Path, *, legend: Legend, counts: Mapping[str, int]
) -> None:
    """Draw the scene in its natural colours beside the map, as PNG.

    ``counts`` are the pixels of each class, by name.
    """
    image = scene.select(_red_green_blue(scene.bands)).thumbnail(_LONGEST)
    shape = image.valid.shape
    write_quicklook(
        out,
        image=image.array,
        image_valid=image.valid,
        classes=_thinned(class_map, shape),
        legend=legend,
        counts=counts,
        resolution_m=_pixel_m(scene, shape[1]),
        title=Path(scene.name).name,
    )


def _thinned(class_map: Path, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """The map at the size of the picture beside it, whatever overviews either of them has."""
    mapped = open_scene(class_map)
    rows, cols = mapped.shape
    with gdal_environment(), SceneReader(mapped) as reader:
        out = np.empty((1, *shape), mapped.dtype)
        numbers, _ = reader.read(slice(0, rows), slice(0, cols), out=out)
    classes: npt.NDArray[Any] = numbers[0]
    return classes


def _pixel_m(scene: Scene, cols: int) -> float | None:
    size = scene.resolution_m
    return None if size is None else size * scene.shape[1] / cols


def _red_green_blue(bands: Sequence[Band]) -> list[int]:
    """Bands nearest to red, green and blue; the first one or three where wavelengths do not say."""
    picked = []
    for centre in _RED_GREEN_BLUE_NM:
        known = [i for i, b in enumerate(bands) if b.wavelength_nm is not None]
        near = min(known, key=lambda i: abs((bands[i].wavelength_nm or 0) - centre), default=None)
        if near is None or abs((bands[near].wavelength_nm or 0) - centre) > _TOLERANCE_NM:
            return [0, 1, 2] if len(bands) >= 3 else [0, 0, 0]
        picked.append(near)
    return picked
