"""A map on disk: one band of classes or of numbers, read in strips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.core.raster import Georeference
from georaster_dl.io.blocks import chunks
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.io.labels.read import (
    ClassLabels,
    LabelOptions,
    NumberLabels,
    open_class_labels,
    open_number_labels,
    read_legend,
)
from georaster_dl.io.scenes.reader import open_scene

__all__ = ["MapFile", "count_by_row", "open_map"]

_STRIP_PIXELS = 2**22  # some 100 MiB with all that is computed of them


@dataclass(frozen=True)
class MapFile:
    """A map, described without keeping pixels.

    Attributes
    ----------
    legend : its classes; None for a map of numbers.
    unseen : classes that it names although no pixel has them.
    """

    path: Path
    geobox: Georeference
    legend: Legend | None
    unseen: tuple[MapClass, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, cols."""
        rows, cols = self.geobox.shape
        return rows, cols

    def classes(self, legend: Legend) -> ClassLabels:
        """Open it: class indexes by window, -1 where nodata."""
        return open_class_labels(self.path, self.geobox, legend, LabelOptions())

    def numbers(self) -> NumberLabels:
        """Open it: numbers by window, NaN where nodata."""
        return open_number_labels(self.path, self.geobox, LabelOptions())

    def strips(self, block: int) -> Iterator[slice]:
        """Rows of full width from top to bottom, none across a border between blocks of that size."""
        n_rows, n_cols = self.shape
        height = max(1, _STRIP_PIXELS // n_cols)
        for rows in chunks(n_rows, block):
            yield from chunks(rows.stop, height, start=rows.start)


def open_map(path: Path, classes: Path | None = None) -> MapFile:
    """Describe a map: numbers where it holds floating-point values and no class list, else classes.

    Parameters
    ----------
    path : single-band raster.
    classes : CSV that names the classes of a map which does not.

    Raises
    ------
    SceneError
        When it cannot be opened.
    OptionError
        When it has several bands, or classes that a legend cannot hold.
    """
    scene = open_scene(path)
    if len(scene.planes) != 1:
        raise OptionError(
            f"{path} has {len(scene.planes)} bands, but a map has one: a class, or a number, per "
            f"pixel; give the map itself, not a scene or its probabilities."
        )
    if scene.dtype.kind == "f" and classes is None:
        return MapFile(path, scene.geobox, None)
    try:
        legend = read_legend([path], LabelOptions(classes=classes))
    except OptionError as error:
        raise OptionError(f"{path} cannot be used as a map of classes. {error}") from error
    unseen = [entry for entry in stated_classes(path) if entry.value not in legend.values]
    return MapFile(path, scene.geobox, legend, () if classes else tuple(unseen))


def count_by_row(classes: npt.NDArray[np.int16], n: int) -> npt.NDArray[np.int64]:
    """Count the pixels of each class by row: (rows, n); negative values are no class."""
    rows, cols = (classes >= 0).nonzero()
    flat = rows * n + classes[rows, cols]
    return np.bincount(flat, minlength=classes.shape[0] * n).reshape(-1, n)
