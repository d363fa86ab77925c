"""The quicklook of a run: a small view of the scene beside a small view of its map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from georaster_dl.core.legend import Legend
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.stacks.scene import clearest_date
from georaster_dl.render.quicklook import write_quicklook, write_value_quicklook
from georaster_dl.render.stretch import red_green_blue

__all__ = ["write_class_overview", "write_value_overview"]

_LONGEST = 1200


def write_class_overview(
    scene: Scene, mapped: Path, out: Path, legend: Legend, counts: Mapping[str, int]
) -> None:
    """Draw the scene in its natural colours beside its map of classes, as PNG.

    Parameters
    ----------
    counts : pixels of each class by name, of the whole map.
    """
    picture, classes = _beside(scene, mapped)
    write_quicklook(out, classes=classes, legend=legend, counts=counts, **picture)


def write_value_overview(scene: Scene, mapped: Path, out: Path, name: str) -> None:
    """Draw the scene beside its map of a quantity, as PNG; ``name`` is that of the quantity, with its unit."""
    picture, values = _beside(scene, mapped)
    write_value_quicklook(out, values=values, name=name, **picture)


def _beside(scene: Scene, mapped: Path) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Read the scene's picture with its title and pixel size, and the map at the picture's size."""
    scene = clearest_date(scene)
    image = scene.select(red_green_blue(scene.bands)).thumbnail(_LONGEST)
    shape = image.valid.shape
    picture = {
        "image": image.array,
        "image_valid": image.valid,
        "resolution_m": _pixel_m(scene, shape[1]),
        "title": Path(scene.name).name,
    }
    return picture, _thinned(mapped, shape)


def _thinned(class_map: Path, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Read the map at the size of the picture beside it, independent of their overviews."""
    mapped = open_scene(class_map).select([0])  # behind it may be the half widths of intervals
    classes: npt.NDArray[Any] = mapped.read_small(shape=shape)[0][0]
    return classes


def _pixel_m(scene: Scene, cols: int) -> float | None:
    size = scene.resolution_m
    return None if size is None else size * scene.shape[1] / cols
