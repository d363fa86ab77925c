"""Connected areas of a class map of any size, found strip by strip.

Areas share pixel edges. What is found depends on the map alone, not on how it is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from georaster_dl.io.blocks import strips

__all__ = ["STRIP_PIXELS", "Areas", "find_areas", "group"]

STRIP_PIXELS = 2**22  # some 150 MiB with all that is computed of them

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Areas:
    """All connected areas of a map, numbered in the order of their first pixels.

    Attributes
    ----------
    values : (areas,) class values.
    sizes : (areas,) sums of the weights of their pixels.
    first : (areas,) place of the first pixel, row * cols + col.
    """

    values: npt.NDArray[Any]
    sizes: npt.NDArray[np.float64]
    first: _Ints
    _of_pieces: npt.NDArray[np.int32]
    _offsets: tuple[int, ...]
    _pixels: npt.NDArray[Any]
    _strip_pixels: int

    def __len__(self) -> int:
        return len(self.values)

    def strips(self) -> Iterator[tuple[slice, npt.NDArray[np.int32]]]:
        """Give the rows of each strip, and the number of the area of its pixels (rows, cols)."""
        for rows, offset in zip(
            _strips(self._pixels, self._strip_pixels), self._offsets, strict=True
        ):
            pieces = _label(self._pixels[rows])[0]
            yield rows, self._of_pieces[pieces + offset]


def find_areas(
    pixels: npt.NDArray[Any], weights: npt.NDArray[np.int64], strip_pixels: int = STRIP_PIXELS
) -> Areas:
    """Find the connected areas of equal value.

    Memory grows with the number of areas, some 40 bytes each, not with the map.

    Parameters
    ----------
    pixels : (rows, cols) class values, perhaps mapped from a file.
    weights : (rows,) of a pixel of each row, as whole numbers, so that sums are exact.
    strip_pixels : pixels that are held at a time.
    """
    n_cols = pixels.shape[1]
    offsets, values, sizes, first, joints = [0], [], [], [], []
    above: tuple[npt.NDArray[Any], _Ints] | None = None
    for rows in _strips(pixels, strip_pixels):
        strip = np.asarray(pixels[rows])
        labels, starts = _label(strip)
        offset = offsets[-1]
        flat = labels.ravel()
        by_pixel = np.repeat(weights[rows].astype(np.float64), n_cols)
        sizes.append(np.bincount(flat, by_pixel, minlength=len(starts)))
        values.append(strip.ravel()[starts])
        first.append(starts + rows.start * n_cols)
        if above is not None:
            same = above[0] == strip[0]
            joints.append(np.stack([above[1][same], labels[0][same].astype(np.int64) + offset]))
        above = strip[-1], labels[-1].astype(np.int64) + offset
        offsets.append(offset + len(starts))
    joined = np.concatenate(joints, axis=1) if joints else np.zeros((2, 0), np.int64)
    n, of_pieces = group(offsets[-1], joined[0], joined[1])
    # Pieces are in the order of their first pixels, so the first one of an area is written last.
    value, place = np.empty(n, pixels.dtype), np.empty(n, np.int64)
    value[of_pieces[::-1]] = np.concatenate(values)[::-1]
    place[of_pieces[::-1]] = np.concatenate(first)[::-1]
    size: npt.NDArray[Any] = np.bincount(of_pieces, np.concatenate(sizes), minlength=n)
    return Areas(value, size, place, of_pieces, tuple(offsets[:-1]), pixels, strip_pixels)


def group(
    n: int, ones: npt.NDArray[Any], others: npt.NDArray[Any]
) -> tuple[int, npt.NDArray[np.int32]]:
    """Number the groups of ``n`` things of which pairs belong together, in the order of their first members."""
    graph = coo_array((np.ones(len(ones), np.int8), (ones, others)), shape=(n, n))
    count, groups = connected_components(graph, directed=False)
    return int(count), groups


def _strips(pixels: npt.NDArray[Any], strip_pixels: int) -> Iterator[slice]:
    return strips((pixels.shape[0], pixels.shape[1]), strip_pixels)


def _label(pixels: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], _Ints]:
    """Number the connected areas of an array (rows, cols), and find the first pixel of each.

    Runs of equal pixels along a row are the nodes of a graph, so that there are few.
    """
    starts = np.ones(pixels.shape, bool)
    np.not_equal(pixels[:, 1:], pixels[:, :-1], out=starts[:, 1:])
    runs = np.cumsum(starts.ravel(), dtype=np.int32).reshape(pixels.shape) - 1
    # Two runs overlap from where the later one begins.
    links = pixels[1:] == pixels[:-1]
    links &= starts[1:] | starts[:-1]
    n_runs = int(runs[-1, -1]) + 1
    n, areas = group(n_runs, runs[:-1][links], runs[1:][links])
    first = np.empty(n, np.int64)
    first[areas[::-1]] = np.flatnonzero(starts)[::-1]
    return areas[runs], first
