"""Labels on a scene's grid, window by window: training data and references.

A raster of any CRS, extent and resolution, or a vector file of polygons, lines or points, of which
``file|layername=NAME`` names a layer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import geopandas
import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.legend import Legend
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.labels.boundaries import REACH, nearness
from georaster_dl.io.labels.erosion import Erosion
from georaster_dl.io.labels.legend_from_labels import FoundClasses, legend_of
from georaster_dl.io.labels.raster import RasterLabels, found_in_raster, strips_of_labels
from georaster_dl.io.labels.vector import VectorLabels, features_of, found_in_vector
from georaster_dl.io.vectors.layers import is_vector

__all__ = [
    "UNLABELLED",
    "ClassLabels",
    "LabelOptions",
    "LabelSource",
    "NumberLabels",
    "OpenedLabels",
    "existing",
    "is_vector",
    "labels_digest",
    "open_class_labels",
    "open_number_labels",
    "read_features",
    "read_legend",
]

UNLABELLED = -1
_DIGITS = 16  # of a digest: enough for a caution, and a card has room for many
_TABLES = {".csv", ".tsv", ".txt", ".xls", ".xlsx", ".ods", ".parquet"}
_NO_CLASS = 65535

Where = tuple[str, str]


class LabelSource(Protocol):
    """Label file read on a grid."""

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """Read a window, NaN where unlabelled."""
        ...

    def missed(self) -> tuple[int, int]:
        """How many labelled features at the scene cover no pixel's centre, and of how many."""
        ...

    def close(self) -> None:
        """Close the file; another read opens it again."""
        ...


class _Source(LabelSource, Protocol):
    """File of classes or numbers, of which each pixel has one."""

    name: str

    def covers(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]: ...
    def features(self, rows: slice, cols: slice) -> npt.NDArray[np.int64] | None: ...


class OpenedLabels:
    """Base of all labels; files are opened by the first read, and after pickling."""

    def __init__(self, source: LabelSource) -> None:
        self._source = source

    def __enter__(self) -> Self:
        """Nothing happens before the first read."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; another read opens it again."""
        self._source.close()

    def missed(self) -> tuple[int, int]:
        """How many labelled features at the scene cover no pixel's centre, and of how many."""
        return self._source.missed()


class ClassLabels(OpenedLabels):
    """Class labels on a scene's grid. Not to be shared between threads; open them in each.

    Attributes
    ----------
    erosion : of the labels near borders, with the counts of what it has left out so far.
    """

    def __init__(
        self, source: _Source, legend: Legend, background: str | None, erosion: Erosion
    ) -> None:
        super().__init__(source)
        self._labels = source
        self.erosion = erosion
        self._index = np.full(_NO_CLASS + 1, UNLABELLED, np.int16)
        self._index[legend.values] = np.arange(len(legend.classes))
        self._background = None if background is None else legend.names.index(background)

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.int16]:
        """(rows, cols) index into the legend's classes; -1 unlabelled, or of no class of the legend."""
        if not self.erosion.pixels:
            return self._indexes(rows, cols)
        around = self._indexes(*self.erosion.around(rows, cols))
        return self.erosion.apply(around, rows, cols, self._labels.features(rows, cols))

    def boundaries(self, rows: slice, cols: slice) -> npt.NDArray[np.uint8]:
        """(rows, cols) nearness to the boundaries of polygons, 0 to ``boundaries.STEPS``."""
        around = Erosion(REACH + 1, self.erosion.shape).around(rows, cols)
        objects = self._labels.features(*around)
        if objects is None:
            raise TypeError("A raster of labels has no objects.")
        inner = tuple(
            slice(own.start - wide.start, own.stop - wide.start)
            for own, wide in zip((rows, cols), around, strict=True)
        )
        return nearness(objects)[inner]

    def _indexes(self, rows: slice, cols: slice) -> npt.NDArray[np.int16]:
        numbers = self._labels.read(rows, cols)
        # NaN, and what cannot be a class, become the one value that never is one.
        values = np.fmin(np.fmax(numbers, -1), _NO_CLASS).astype(np.int32)
        values[values != numbers] = _NO_CLASS
        indexes: npt.NDArray[np.int16] = self._index[values]
        if self._background is not None:
            free = np.isnan(numbers) & self._labels.covers(rows, cols)
            indexes[free] = self._background
        return indexes


class NumberLabels(OpenedLabels):
    """Labels of a regression on a scene's grid. Not to be shared between threads.

    Attributes
    ----------
    name : of the numbers in the file.
    """

    def __init__(self, source: _Source) -> None:
        super().__init__(source)
        self.name = source.name

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """(rows, cols) numbers, NaN where unlabelled."""
        return self._source.read(rows, cols)


def read_legend(paths: Sequence[Path], options: LabelOptions) -> Legend:
    """The classes that occur in the label files, with their values as they are in the files.

    Names come from the CSV of ``options.classes``, else the file (the tag ``CLASS_NAMES``, text
    fields), else they are the values; colours from the CSV, else the file's colour table, else a
    palette. Text labels without a CSV are numbered from 1 in the order of their names. Rasters are
    read once, window by window.

    Raises
    ------
    OptionError
        When a file holds no classes, the files do not fit together or the CSV does not fit them.
    SceneError
        When a raster cannot be read.
    """
    if not paths:
        raise OptionError("No label file was given; give a raster or a vector file of labels.")
    found = [_found(existing(path), options) for path in paths]
    legend = legend_of(found, options)
    _check_priority(legend, options)
    return legend


def open_class_labels(
    path: Path,
    geobox: Georeference,
    legend: Legend,
    options: LabelOptions,
    *,
    where: Where | None = None,
    erode: int = 0,
) -> ClassLabels:
    """Open class labels on a scene's grid.

    Parameters
    ----------
    path : raster or vector file.
    geobox : the scene's grid.
    legend : the classes, as :func:`read_legend` gives them.
    where : column and value (as text) of vector labels; other features are left out.
    erode : pixels from a border between classes, or to unlabelled ground, within which labels are left out.

    Raises
    ------
    OptionError
        When the labels cannot be laid over the scene, lie beside it, or the options do not fit them.
    SceneError
        When a raster cannot be opened.
    """
    _check_priority(legend, options)
    if options.background is not None and options.background not in legend.names:
        raise OptionError(
            f"`background={options.background!r}` is none of the classes ({', '.join(legend.names)}); "
            f"choose one of them."
        )
    erosion = Erosion(erode, (geobox.shape[0], geobox.shape[1]))
    source = _source(path, geobox, legend, options, where)
    return ClassLabels(source, legend, options.background, erosion)


def open_number_labels(
    path: Path, geobox: Georeference, options: LabelOptions, *, where: Where | None = None
) -> NumberLabels:
    """Open the numbers of a regression on a scene's grid, as :func:`open_class_labels` does classes."""
    return NumberLabels(_source(path, geobox, None, options, where))


def labels_digest(path: Path, options: LabelOptions, *, numbers: bool) -> str:
    """Return a digest of the labels in a file: features with their labels, or a raster's pixels.

    Parameters
    ----------
    numbers : whether they are the numbers of a regression.

    Raises
    ------
    GeoRasterError
        As :func:`read_features`, or when a raster cannot be read.
    """
    digest = hashlib.sha256()
    if is_vector(path):
        frame = features_of(existing(path), options, numbers=numbers)[0]
        labelled = frame[frame["label"].notna()]
        parts = zip(labelled.geometry.normalize().to_wkb(), labelled["label"], strict=True)
        for part in sorted(wkb + str(label).encode() for wkb, label in parts):
            digest.update(part)
    else:
        for numbers_of_strip in strips_of_labels(existing(path)):
            digest.update(numbers_of_strip.tobytes())
    return digest.hexdigest()[:_DIGITS]


def read_features(
    path: Path, options: LabelOptions, *, numbers: bool = False
) -> geopandas.GeoDataFrame:
    """Checked vector labels in their own CRS, by feature id.

    Parameters
    ----------
    numbers : whether the labels are the numbers of a regression.

    Returns
    -------
    All columns of the file, and ``label``: text, whole numbers (pandas' Int64), or floats; null where
    a feature has none or it is ignored.

    Raises
    ------
    OptionError
        When the file, its field or its geometries cannot be used, or no feature has a label.
    """
    return features_of(existing(path), options, numbers=numbers)[0]


def _source(
    path: Path,
    geobox: Georeference,
    legend: Legend | None,
    options: LabelOptions,
    where: Where | None,
) -> _Source:
    if is_vector(path):
        return VectorLabels(existing(path), geobox, legend, options, where)
    if where is not None:
        raise OptionError(f"{path} is a raster and has no column {where[0]!r}; give vector labels.")
    single = None
    if legend is not None and options.class_name is not None:
        single = dict(zip(legend.names, legend.values, strict=True))[options.class_name]
    return RasterLabels(
        existing(path), geobox, options.ignore, numbers=legend is None, single=single
    )


def _found(path: Path, options: LabelOptions) -> FoundClasses:
    """The classes of a file."""
    if is_vector(path):
        return found_in_vector(path, options)
    if options.class_name is not None:
        return FoundClasses(path, texts=frozenset({options.class_name}))
    return found_in_raster(path, options.ignore)


def existing(path: Path, what: str = "labels") -> Path:
    """Return the path of labels, or of a map, that exist.

    Raises
    ------
    OptionError
        When they do not exist, or are a table without geometries.
    """
    if not file_of(path).exists():
        do = "do" if what == "labels" else "does"
        raise OptionError(
            f"The {what} {path} {do} not exist; check the path (now in {Path.cwd()})."
        )
    if file_of(path).suffix.lower() in _TABLES:
        are = "are" if what == "labels" else "is"
        raise OptionError(
            f"The {what} {path} {are} a table, but a vector file or a raster is expected; make points of it (in "
            f"QGIS: Add Delimited Text Layer) and save them as GeoPackage."
        )
    return Path(path)


def _check_priority(legend: Legend, options: LabelOptions) -> None:
    unknown = [name for name in options.priority if name not in legend.names]
    if unknown:
        raise OptionError(
            f"`priority=` names {', '.join(map(repr, unknown))}, but the classes are "
            f"{', '.join(legend.names)}; name some of these."
        )
