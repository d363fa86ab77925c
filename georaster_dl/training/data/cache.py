"""Cache of decoded pixels and labels on the disk, which patches are cut from.

Patches are drawn all over a scene, epoch after epoch. Cutting them from compressed files would
decode a block of many patches for each, burning labels or reprojecting them anew would cost as
much as the network. So every labelled place, and what a patch may see around it, is decoded once
into files without compression. They are sparse: places without labels take no room on most disks.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeGuard

import numpy as np
import numpy.typing as npt

from georaster_dl.core.disk import explain_os_error, require_space
from georaster_dl.core.errors import OutputError
from georaster_dl.core.legend import Legend
from georaster_dl.io.blocks import strips
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.temporary import remove_abandoned, temporary_folder
from georaster_dl.io.labels.erosion import Erosion
from georaster_dl.io.labels.read import ClassLabels
from georaster_dl.io.scenes.scene import SceneReader
from georaster_dl.tiling.sampling import LabelIndex, cell_side
from georaster_dl.training.data.labelled_scenes import (
    LabelledScene,
    Labels,
    is_labelled,
    open_labels,
)

__all__ = ["CacheFolder", "CachedScene", "PatchCache", "count_labels", "drop_absent_classes"]

_STRIP_BYTES = 64 * 2**20
_VALID, _LABELLED = 1, 2
_SHARED = "GEODL_TRAINING_CACHE"


class CacheFolder:
    """Hidden folder beside the model with the caches of a training.

    Parameters
    ----------
    model : package that the training will write.
    leader : whether this process fills and removes it; others that train with it only read.
    """

    def __init__(self, model: Path, *, leader: bool = True) -> None:
        self._parent = model.absolute().parent
        self.leader = leader

    def __enter__(self) -> CacheFolder:
        if not self.leader:
            self.path = Path(os.environ[_SHARED])
            return self
        try:
            remove_abandoned(self._parent)
            self.path = temporary_folder(self._parent)
        except OSError as error:
            raise explain_os_error(error, self._parent) from error
        os.environ[_SHARED] = str(
            self.path
        )  # the processes that will train with this one inherit it
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.leader:
            shutil.rmtree(self.path, ignore_errors=True)


class PatchCache:
    """Values, validity and labels of one scene, pixel by pixel in a file.

    All that a pixel has is together, so a line of a window is one read. The file is not
    memory-mapped: mapped pages count as the process's own, and would grow with the scene.
    """

    def __init__(self, prefix: Path, labelled: LabelledScene) -> None:
        self._path = prefix.with_suffix(".pixels")
        self._shape = labelled.scene.shape
        # The label of an unlabelled scene is always 0: small, but not left out, so that the same code
        # cuts and counts labels.
        label = np.int8 if labelled.labels is None else np.float32 if labelled.numeric else np.int16
        self._pixel = np.dtype(
            [
                ("values", labelled.scene.dtype, (len(labelled.scene.planes),)),
                ("label", label, labelled.planes),
                ("marks", np.uint8),
                *([("boundary", np.uint8)] if labelled.instances else []),
            ]
        )
        self.lookup: npt.NDArray[np.int16] | None = None  # of classes that were left out

    @property
    def bytes_per_pixel(self) -> int:
        """Size of a decoded pixel on the disk."""
        return self._pixel.itemsize

    def create(self) -> None:
        """Create the file, full of zeros."""
        with self._path.open("wb") as file:
            file.truncate(self._shape[0] * self._shape[1] * self._pixel.itemsize)

    def read(
        self, rows: slice, cols: slice
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[Any]]:
        """Read stored values (bands, rows, cols), validity and labels (rows, cols), or (fractions, rows, cols).

        Labels are class indexes with -1 where there is none, or values with NaN.
        """
        pixels = self._pixels(rows, cols)
        marks, labels = pixels["marks"], _planes_first(pixels["label"])
        missing = np.nan if labels.dtype == np.float32 else -1
        labels = np.where(marks & _LABELLED, labels, labels.dtype.type(missing))
        if self.lookup is not None:
            labels = np.where(labels >= 0, self.lookup[labels], labels)
        return pixels["values"].transpose(2, 0, 1), (marks & _VALID) != 0, labels

    def valid(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """Read the validity (rows, cols) of a window."""
        valid: npt.NDArray[np.bool_] = (self._pixels(rows, cols)["marks"] & _VALID) != 0
        return valid

    def boundaries(self, rows: slice, cols: slice) -> npt.NDArray[np.uint8]:
        """Read the nearness (rows, cols) to the boundaries of objects, where these are learnt."""
        near: npt.NDArray[np.uint8] = self._pixels(rows, cols)["boundary"]
        return near

    def write_labels(
        self,
        rows: slice,
        cols: slice,
        labels: npt.NDArray[Any],
        boundaries: npt.NDArray[np.uint8] | None = None,
    ) -> None:
        """Write the labels (rows, cols), or (fractions, rows, cols), of a window that holds nothing yet.

        ``boundaries`` are the nearness (rows, cols) to those of objects, where they are learnt.
        """
        pixels = np.zeros(labels.shape[-2:], self._pixel)
        pixels["label"] = labels if labels.ndim == 2 else np.moveaxis(labels, 0, -1)
        pixels["marks"] = is_labelled(labels) * np.uint8(_LABELLED)
        if boundaries is not None:
            pixels["boundary"] = boundaries
        self._write(rows, cols, pixels)

    def write_values(
        self, rows: slice, cols: slice, stored: npt.NDArray[Any], valid: npt.NDArray[np.bool_]
    ) -> None:
        """Write stored values (bands, rows, cols) and validity; pixels that are not valid lose their label."""
        pixels = self._pixels(rows, cols)
        pixels["values"] = stored.transpose(1, 2, 0)
        pixels["marks"] = np.where(valid, pixels["marks"] | _VALID, 0)
        self._write(rows, cols, pixels)

    def _pixels(self, rows: slice, cols: slice) -> npt.NDArray[Any]:
        length = (cols.stop - cols.start) * self._pixel.itemsize
        lines = bytearray()
        # Opened for each read: forked processes would move each other's position.
        with self._path.open("rb", buffering=0) as file:
            for place in self._places(rows, cols):
                file.seek(place)
                lines += file.read(length)
        pixels = np.frombuffer(lines, self._pixel)
        return pixels.reshape(rows.stop - rows.start, cols.stop - cols.start)

    def _write(self, rows: slice, cols: slice, pixels: npt.NDArray[Any]) -> None:
        with self._path.open("r+b", buffering=0) as file:
            for line, place in zip(pixels, self._places(rows, cols), strict=True):
                file.seek(place)
                _write_all(file, line.tobytes())

    def _places(self, rows: slice, cols: slice) -> Iterator[int]:
        """Iterate over the offsets in the file of a window's lines."""
        for row in range(rows.start, rows.stop):
            yield (row * self._shape[1] + cols.start) * self._pixel.itemsize


def _planes_first(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return labels if labels.ndim == 2 else np.moveaxis(labels, -1, 0)


def _write_all(file: BinaryIO, content: bytes) -> None:
    # An unbuffered file may take only a part, on a disk that is nearly full for example.
    written = 0
    while written < len(content):
        written += file.write(content[written:])


@dataclass(frozen=True, kw_only=True)
class CachedScene(LabelledScene):
    """A labelled scene whose labelled places are decoded.

    Attributes
    ----------
    cache : its pixels.
    index : its labelled, valid pixels, counted.
    missed : labelled features at the scene that cover no pixel's centre, and of how many.
    erosion : of the labels near borders, counted; None where none is left out.
    """

    cache: PatchCache
    index: LabelIndex
    missed: tuple[int, int] = (0, 0)
    erosion: Erosion | None = None

    @classmethod
    def fill(
        cls, labelled: LabelledScene, folder: CacheFolder, number: int, reach: int
    ) -> CachedScene:
        """Decode the labelled places of a scene and ``reach`` pixels around them.

        Raises
        ------
        GeoRasterError
            When scene or labels cannot be read, or the disk is too small.
        """
        prefix = folder.path / f"{number:06}"
        cache = PatchCache(prefix, labelled)
        counted = prefix.with_suffix(".npz")
        shape = labelled.scene.shape
        cell = cell_side(shape)
        if not folder.leader:
            with np.load(counted) as counts:
                index = LabelIndex(shape, cell, **counts)
            return cls(**vars(labelled), cache=cache, index=index)
        try:
            cache.create()
            index, missed, erosion = _filled(labelled, cache, cell, reach, prefix)
            np.savez(counted, rows=index.rows, cols=index.cols, counts=index.counts)
        except OSError as error:
            if isinstance(error, OutputError) or error.errno is None:
                raise
            raise explain_os_error(error, prefix.parent) from error
        return cls(**vars(labelled), cache=cache, index=index, missed=missed, erosion=erosion)


def drop_absent_classes(scenes: Sequence[CachedScene]) -> list[CachedScene]:
    """Drop the classes that have no labelled pixel in any scene from legends and counts."""
    present = np.sum([each.index.totals for each in scenes], axis=0) > 0
    lookup = (np.cumsum(present) - 1).astype(np.int16)
    selected = []
    for each in scenes:
        if each.legend is None or present.all():
            return list(scenes)
        classes = tuple(c for c, some in zip(each.legend.classes, present, strict=True) if some)
        each.cache.lookup = lookup
        index = replace(each.index, counts=each.index.counts[:, present])
        selected.append(replace(each, legend=Legend(classes), index=index))
    return selected


def _filled(
    labelled: LabelledScene, cache: PatchCache, cell: int, reach: int, prefix: Path
) -> tuple[LabelIndex, tuple[int, int], Erosion | None]:
    """Write labels first, which say where pixels are needed; then the pixels' values and validity."""
    n_rows, n_cols = labelled.scene.shape
    cells = np.zeros((-(-n_rows // cell), -(-n_cols // cell)), bool)
    with gdal_environment(), open_labels(labelled) as labels:
        missed = labels.missed()
        for rows in _strips(labelled, cell):
            strip = labels.read(rows, slice(0, n_cols))
            is_known = is_labelled(strip)
            for cols in _runs(np.any(is_known, axis=0)):
                near = labels.boundaries(rows, cols) if _has_objects(labels, labelled) else None
                cache.write_labels(rows, cols, strip[..., cols], near)
            down, across = np.nonzero(is_known)
            cells[(down + rows.start) // cell, across // cell] = True
        erosion = labels.erosion if isinstance(labels, ClassLabels) else None
    needed = _widened(cells, -(-reach // cell))
    require_space(prefix, int(needed.sum()) * cell**2 * cache.bytes_per_pixel)
    counts = np.zeros((*cells.shape, labelled.columns), np.int64)
    with gdal_environment(), SceneReader(labelled.scene) as reader:
        for rows in _strips(labelled, cell):
            in_strip = needed[rows.start // cell : -(-rows.stop // cell)].any(axis=0)
            for span in _runs(in_strip):
                cols = slice(span.start * cell, min(span.stop * cell, n_cols))
                cache.write_values(rows, cols, *reader.read(rows, cols))
                _count(cache.read(rows, cols)[2], counts, (rows.start, cols.start), cell)
    return LabelIndex.of(labelled.scene.shape, cell, counts), missed, erosion


def _has_objects(labels: Labels, labelled: LabelledScene) -> TypeGuard[ClassLabels]:
    """Whether the boundaries of the labels' polygons are learnt."""
    return isinstance(labels, ClassLabels) and labelled.instances


def count_labels(cached: CachedScene, where: tuple[str, str]) -> LabelIndex:
    """Count the valid pixels labelled by the features of one value of a column."""
    index = cached.index
    counts = np.zeros((*index.grid, cached.columns), np.int64)
    whole = slice(0, cached.scene.shape[1])
    with gdal_environment(), open_labels(cached, where) as labels:
        for rows in _strips(cached, index.cell):
            strip = labels.read(rows, whole)
            missing = np.nan if cached.numeric else -1
            valid = cached.cache.valid(rows, whole)
            strip = np.where(valid, strip, strip.dtype.type(missing))
            _count(strip, counts, (rows.start, 0), index.cell)
    return LabelIndex.of(index.shape, index.cell, counts)


def _strips(labelled: LabelledScene, cell: int) -> Iterator[slice]:
    """Rows in strips of about 64 MiB, whole cells high."""
    # Reading labels takes up to 20 bytes a pixel, stored values their own size twice.
    bytes_per_pixel = 2 * labelled.scene.dtype.itemsize * len(labelled.scene.planes) + 20
    return strips(labelled.scene.shape, _STRIP_BYTES // bytes_per_pixel, cell)


def _runs(flags: npt.ArrayLike) -> list[slice]:
    """Slices of the runs of True in ``flags``."""
    edges = np.flatnonzero(np.diff(np.pad(np.asarray(flags, np.int8), 1)))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _widened(cells: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Dilate ``cells`` by ``reach`` cells along rows, cols and diagonals."""
    for axis in (0, 1):
        total = np.cumsum(np.moveaxis(cells, axis, 0).astype(np.int64), axis=0)
        total = np.concatenate([np.zeros((1, *total.shape[1:]), np.int64), total])
        n = len(total) - 1
        low = np.maximum(np.arange(n) - reach, 0)
        high = np.minimum(np.arange(n) + reach + 1, n)
        cells = np.moveaxis(total[high] > total[low], 0, axis)
    return cells


def _count(
    labels: npt.NDArray[Any],
    counts: npt.NDArray[np.int64],
    origin: tuple[int, int],
    cell: int,
) -> None:
    """Add the labelled pixels of a window at ``origin`` (row, col) to ``counts``."""
    rows, cols = np.nonzero(is_labelled(labels))
    classes = labels[rows, cols].astype(np.int64) if counts.shape[2] > 1 else 0
    cells = ((rows + origin[0]) // cell) * counts.shape[1] + (cols + origin[1]) // cell
    flat = np.bincount(cells * counts.shape[2] + classes, minlength=counts.size)
    counts += flat.reshape(counts.shape)
