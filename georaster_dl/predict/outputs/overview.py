"""The quicklook of a run: a small view of the scene beside a small view of its map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.legend import Legend
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.stacks.scene import clearest_date
from georaster_dl.render.quicklook import (
    write_fraction_quicklook,
    write_quicklook,
    write_value_quicklook,
)
from georaster_dl.render.stretch import red_green_blue

__all__ = ["write_class_overview", "write_fraction_overview", "write_value_overview"]

_LONGEST = 1200


def write_class_overview(
    scene: Scene, mapped: Path, out: Path, legend: Legend, counts: Mapping[str, int]
) -> None:
    """Draw the scene in its natural colours beside its map of classes, as PNG.

    Parameters
    ----------
    counts : pixels of each class by name, of the whole map.
    """
    picture = _picture(scene)
    classes = _thinned(mapped, picture)[0][0]
    write_quicklook(out, classes=classes, legend=legend, counts=counts, **picture)


def write_value_overview(scene: Scene, mapped: Path, out: Path, name: str) -> None:
    """Draw the scene beside its map of a quantity, as PNG; ``name`` is that of the quantity, with its unit."""
    picture = _picture(scene)
    values = _thinned(mapped, picture)[0][0]
    write_value_quicklook(out, values=values, name=name, **picture)


def write_fraction_overview(scene: Scene, mapped: Path, out: Path, names: Sequence[str]) -> None:
    """Draw the scene beside its map of fractions, as PNG; ``names`` are those of the map's first bands."""
    picture = _picture(scene)
    stored, valid, scale = _thinned(mapped, picture, len(names))
    fractions = np.where(valid, stored * np.float32(scale), np.nan)
    write_fraction_quicklook(out, fractions=fractions, names=names, **picture)


def _picture(scene: Scene) -> dict[str, Any]:
    """Read the scene's picture with its title and pixel size."""
    scene = clearest_date(scene)
    image = scene.select(red_green_blue(scene.bands)).thumbnail(_LONGEST)
    return {
        "image": image.array,
        "image_valid": image.valid,
        "resolution_m": _pixel_m(scene, image.valid.shape[1]),
        "title": Path(scene.name).name,
    }


def _thinned(
    path: Path, picture: Mapping[str, Any], bands: int = 1
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], float]:
    """Read the map's first bands at the size of the picture beside it, independent of their overviews.

    Returns
    -------
    Stored values (bands, rows, cols), valid mask (rows, cols), and scale of the values.
    """
    mapped = open_scene(path).select(
        range(bands)
    )  # behind them may be the half widths of intervals
    stored, valid = mapped.read_small(shape=picture["image_valid"].shape)
    return stored, valid, mapped.planes[0].scale


def _pixel_m(scene: Scene, cols: int) -> float | None:
    size = scene.resolution_m
    return None if size is None else size * scene.shape[1] / cols
