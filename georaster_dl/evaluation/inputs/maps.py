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
from georaster_dl.io.output.provenance import rejected_value
from georaster_dl.io.scenes.reader import open_scene

__all__ = ["REJECTED", "MapClasses", "MapFile", "count_by_row", "open_map"]

REJECTED = -2
"""Class index of a pixel whose class the map's model held too uncertain; -1 is nodata."""

_STRIP_PIXELS = 2**22  # some 100 MiB with all that is computed of them


class MapClasses:
    """Classes of the pixels of a map, by window.

    Parameters
    ----------
    labels : the map, read with its legend and, behind it, the class of its rejected pixels if it has any.
    n : classes of the legend.
    """

    def __init__(self, labels: ClassLabels, n: int) -> None:
        self._labels = labels
        self._n = n

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.int16]:
        """Read class indexes (rows, cols): -1 where nodata, REJECTED where rejected."""
        indexes = self._labels.read(rows, cols)
        indexes[indexes == self._n] = REJECTED
        return indexes

    def close(self) -> None:
        """Close the file."""
        self._labels.close()


@dataclass(frozen=True)
class MapFile:
    """A map, described without keeping pixels.

    Attributes
    ----------
    legend : its classes; None for a map of numbers.
    unseen : classes that it names although no pixel has them.
    rejected : class of the pixels that its model held too uncertain, which is none of the legend's.
    """

    path: Path
    geobox: Georeference
    legend: Legend | None
    unseen: tuple[MapClass, ...] = ()
    rejected: MapClass | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, cols."""
        rows, cols = self.geobox.shape
        return rows, cols

    def classes(self, legend: Legend) -> MapClasses:
        """Open it with the classes of its legend."""
        read = legend if self.rejected is None else Legend((*legend.classes, self.rejected))
        labels = open_class_labels(self.path, self.geobox, read, LabelOptions())
        return MapClasses(labels, len(legend.classes))

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
        found = read_legend([path], LabelOptions(classes=classes))
    except OptionError as error:
        raise OptionError(f"{path} cannot be used as a map of classes. {error}") from error
    stated, value = stated_classes(path), rejected_value(path)
    rejected = next((entry for entry in (*stated, *found.classes) if entry.value == value), None)
    kept = tuple(entry for entry in found.classes if entry.value != value)
    if not kept:
        raise OptionError(
            f"All pixels of {path} are rejected as uncertain, so it has no class; map again with another "
            f"`reject=`, or without."
        )
    unseen = [entry for entry in stated if entry.value not in (*found.values, value)]
    return MapFile(path, scene.geobox, Legend(kept), () if classes else tuple(unseen), rejected)


def count_by_row(classes: npt.NDArray[np.int16], n: int) -> npt.NDArray[np.int64]:
    """Count the pixels of each class by row: (rows, n); negative values are no class."""
    rows, cols = (classes >= 0).nonzero()
    flat = rows * n + classes[rows, cols]
    return np.bincount(flat, minlength=classes.shape[0] * n).reshape(-1, n)
