"""Objects that touch, separated in a raster of their numbers of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.vectors.class_raster import NumberRaster
from georaster_dl.objects.extents import Extents, find_extents
from georaster_dl.objects.splitting import split
from georaster_dl.tiling.areas import pixel_edges
from georaster_dl.tiling.merging import sieved

__all__ = ["LARGEST", "split_touching"]

LARGEST = 2**23
"""Pixels of the box around the largest object that is separated: some 700 MiB."""

_FEWER = 4  # pixels in a strip, as much is computed of each

_Numbers = npt.NDArray[np.int32]
_Box = tuple[slice, slice]


def split_touching(
    raster: Path,
    strip_pixels: int,
    n: int,
    boundaries: Callable[[slice, slice], npt.NDArray[Any]] | None = None,
    *,
    least: float = 0,
    weights: npt.NDArray[np.int64] | None = None,
) -> tuple[npt.NDArray[np.int64], int]:
    """Separate objects at their narrow places, in place.

    Objects are separated by their own pixels (``split``), so the result does not depend on the strips. Those of a
    larger box than ``LARGEST`` stay as they are: they are no groups of buildings or crowns.

    Parameters
    ----------
    raster : of their numbers.
    n : objects in it, numbered from 1.
    boundaries : rows and cols to the probability of a boundary (rows, cols), NaN where unknown.
    least : size of the smallest part; smaller ones join that with the longest shared border.
    weights : (rows of the raster,) size of a pixel of each row; 1 by default.

    Returns
    -------
    (m + 1,) number of the object that each is part of now, and how many objects were too large.
    """
    of: list[npt.NDArray[np.int64]] = [np.arange(n + 1)]
    count = n
    with NumberRaster(raster) as file:
        strips = file.strips(strip_pixels // _FEWER)
        extents = find_extents(file.read, strips, n)
        high = max(rows.stop - rows.start for rows in strips)
        boxes = (extents.bottom - extents.top + 1) * (extents.right - extents.left + 1)
        tall = (extents.bottom - extents.top >= high) & (np.arange(n + 1) > 0)
        for box, wanted in _windows(extents, tall, boxes <= LARGEST, strips, file.shape):
            numbers = file.read(*box)
            whole = np.where(numbers <= n, numbers, 0)
            chosen = np.where(wanted[whole], whole, 0)
            parts = split(chosen, None if boundaries is None else boundaries(*box))
            if least:
                of_rows = np.ones(len(numbers)) if weights is None else weights[box[0]]
                places = _places(box, file.shape[1])
                parts = _joined(parts, chosen, places, least, of_rows)
            objects, first, new = _numbered(parts, chosen, count)
            of.append(objects[~first])
            count += int((~first).sum())
            numbers[parts > 0] = new[parts[parts > 0]]
            file.write(numbers, *box)
    return np.concatenate(of), int((tall & (boxes > LARGEST)).sum())


def _windows(
    extents: Extents,
    tall: npt.NDArray[np.bool_],
    fits: npt.NDArray[np.bool_],
    strips: list[slice],
    shape: tuple[int, int],
) -> Iterator[tuple[_Box, npt.NDArray[np.bool_]]]:
    """Yield boxes, and by number whether an object is separated there: strips for most, a box for each tall object."""
    for rows in strips:
        wanted = ~tall & (extents.top >= rows.start) & (extents.top < rows.stop)
        wanted[0] = False
        if wanted.any():
            stop = int(extents.bottom[wanted].max()) + 1
            yield (slice(rows.start, stop), slice(0, shape[1])), wanted
    for number in np.flatnonzero(tall & fits).tolist():
        one = np.zeros(len(tall), bool)
        one[number] = True
        yield (
            (
                slice(int(extents.top[number]), int(extents.bottom[number]) + 1),
                slice(int(extents.left[number]), int(extents.right[number]) + 1),
            ),
            one,
        )


def _places(box: _Box, n_cols: int) -> npt.NDArray[np.int64]:
    rows, cols = (np.arange(side.start, side.stop) for side in box)
    return np.asarray(rows[:, None] * n_cols + cols)


def _joined(
    parts: _Numbers,
    numbers: _Numbers,
    places: npt.NDArray[np.int64],
    least: float,
    weights: npt.NDArray[Any],
) -> _Numbers:
    """Join parts below a size with others of the same object, and number them anew; by places in the whole raster."""
    by_pixel = np.broadcast_to(weights[:, None], parts.shape).ravel()
    sizes = np.bincount(parts.ravel(), by_pixel)
    of_objects = zip(pixel_edges([parts]), pixel_edges([numbers]), strict=True)
    within = [(sides, same[0] == same[1]) for sides, same in of_objects]
    sides = [(one[same], other[same], None) for (one, other), same in within]
    first = np.empty(len(sizes), np.int64)
    first[parts.ravel()[::-1]] = places.ravel()[::-1]
    values = np.arange(len(sizes))
    after = sieved(values, sizes, first, values > 0, sides, least)
    return np.unique(after, return_inverse=True)[1].astype(np.int32)[parts]


def _numbered(
    parts: _Numbers, numbers: _Numbers, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], _Numbers]:
    """Number the parts: the first of an object has its number, others those after ``count``.

    Returns
    -------
    Of each part its object (parts,), whether it is the first, and by part its number (parts + 1,).
    """
    objects = np.zeros(int(parts.max(initial=0)) + 1, np.int64)
    objects[parts.ravel()] = numbers.ravel()
    objects = objects[1:]
    first = np.zeros(len(objects), bool)
    first[np.unique(objects, return_index=True)[1]] = True
    new = np.where(first, objects, count + np.cumsum(~first))
    return objects, first, np.concatenate([[0], new]).astype(np.int32)
