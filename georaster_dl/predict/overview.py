"""The quicklook of a run: a small view of the scene beside a small view of its map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.quicklook import red_green_blue, write_quicklook, write_value_quicklook
from georaster_dl.io.reader import open_scene
from georaster_dl.io.scene import Scene, SceneReader
from georaster_dl.models.card import Card
from georaster_dl.predict.options import Findings

__all__ = ["write_overview"]

_LONGEST = 1200


def write_overview(scene: Scene, mapped: Path, out: Path, card: Card, found: Findings) -> None:
    """Draw the scene in its natural colours beside its map, as PNG."""
    image = scene.select(red_green_blue(scene.bands)).thumbnail(_LONGEST)
    shape = image.valid.shape
    numbers = _thinned(mapped, shape)
    common: dict[str, Any] = {
        "image": image.array,
        "image_valid": image.valid,
        "resolution_m": _pixel_m(scene, shape[1]),
        "title": Path(scene.name).name,
    }
    if card.target is not None:
        write_value_quicklook(out, values=numbers, name=card.target.label, **common)
    else:
        write_quicklook(out, classes=numbers, legend=card.legend, counts=found.counts, **common)


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
