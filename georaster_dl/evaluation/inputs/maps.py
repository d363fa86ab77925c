"""A map on disk: one band of classes or of numbers, or a band for each fraction, read in strips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.blocks import chunks
from georaster_dl.io.class_maps import other_than_classes
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.io.labels.read import (
    ClassLabels,
    LabelOptions,
    NumberLabels,
    open_class_labels,
    open_number_labels,
    read_legend,
)
from georaster_dl.io.output.provenance import fraction_bands, rejected_value, tags_of
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import SceneReader

__all__ = ["REJECTED", "MapClasses", "MapFile", "MapFractions", "count_by_row", "open_map"]

REJECTED = -2
"""Class index of a pixel whose class the map's model held too uncertain; -1 is nodata."""

_BEYOND = 0.02  # of 0 and 1, by which rounded fractions may be
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


class MapFractions:
    """Fractions of the pixels of a map, by window.

    Parameters
    ----------
    path : the map.
    bands : its first bands that are fractions.
    """

    def __init__(self, path: Path, bands: int) -> None:
        self._scene = open_scene(path).select(range(bands))
        self._stack = ExitStack()
        self._reader = self._stack.enter_context(SceneReader(self._scene))

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """Read fractions (bands, rows, cols), NaN in all where any is nodata.

        Raises
        ------
        OptionError
            When values are not between 0 and 1.
        """
        stored, valid = self._reader.read(rows, cols)
        values = self._scene.to_physical(stored)
        values[:, ~valid] = np.nan
        wrong = values[:, valid]
        if wrong.size and (wrong.min() < -_BEYOND or wrong.max() > 1 + _BEYOND):
            raise OptionError(
                f"{self._scene.name} holds values from {wrong.min():.4g} to {wrong.max():.4g}, but fractions are 0 to 1; "
                f"give a map of fractions, or write its scale into the file (gdal_edit -scale)."
            )
        return values

    def close(self) -> None:
        """Close the file."""
        self._stack.close()


@dataclass(frozen=True)
class MapFile:
    """A map, described without keeping pixels.

    Attributes
    ----------
    legend : its classes; None for a map of numbers or fractions.
    fractions : names of its first bands, where these are the fractions of a pixel; empty for any other map.
    unseen : classes that it names although no pixel has them.
    rejected : class of the pixels that its model held too uncertain, which is none of the legend's.
    """

    path: Path
    geobox: Georeference
    legend: Legend | None
    fractions: tuple[str, ...] = ()
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

    def shares(self) -> MapFractions:
        """Open it: fractions by window."""
        return MapFractions(self.path, len(self.fractions))

    def strips(self, block: int) -> Iterator[slice]:
        """Rows of full width from top to bottom, none across a border between blocks of that size."""
        n_rows, n_cols = self.shape
        height = max(1, _STRIP_PIXELS // (n_cols * max(1, len(self.fractions))))
        for rows in chunks(n_rows, block):
            yield from chunks(rows.stop, height, start=rows.start)


def open_map(
    path: Path, classes: Path | None = None, *, several_bands: bool = False, hint: str = ""
) -> MapFile:
    """Describe a map: numbers where it holds floating-point or scaled values and no class list, else classes.

    A map that says so, as those of this library do, is one of fractions.

    Parameters
    ----------
    path : raster of a single band, but of fractions.
    classes : CSV that names the classes of a map which does not.
    several_bands : whether several bands are fractions also where the map does not say so.
    hint : how to say so, for the message.

    Raises
    ------
    SceneError
        When it cannot be opened.
    OptionError
        When it has several bands, or classes that a legend cannot hold.
    """
    scene = open_scene(path)
    bands = len(scene.planes)
    fractions = fraction_bands(tags_of(path)) or (bands if several_bands else 0)
    if fractions:
        names = [plane.band.name for plane in scene.planes[:fractions]]
        return MapFile(path, scene.geobox, None, tuple(names))
    if bands != 1:
        raise OptionError(
            f"{path} has {bands} bands, but a map has one: a class, or a number, per pixel; give the map itself, not a "
            f"scene or its probabilities{hint}."
        )
    if classes is None and other_than_classes(path):
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
    named = () if classes else tuple(unseen)
    return MapFile(path, scene.geobox, Legend(kept), unseen=named, rejected=rejected)


def count_by_row(classes: npt.NDArray[np.int16], n: int) -> npt.NDArray[np.int64]:
    """Count the pixels of each class by row: (rows, n); negative values are no class."""
    rows, cols = (classes >= 0).nonzero()
    flat = rows * n + classes[rows, cols]
    return np.bincount(flat, minlength=classes.shape[0] * n).reshape(-1, n)
