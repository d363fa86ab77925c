"""Strips of rows and windows that cover a raster in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["chunks", "strips", "windows"]


def chunks(stop: int, size: int, start: int = 0) -> Iterator[slice]:
    """Cut a range of rows or cols into slices of at most ``size``."""
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))


def strips(shape: tuple[int, int], most_pixels: int, block_rows: int = 1) -> Iterator[slice]:
    """Cut a raster into full-width strips of rows.

    Parameters
    ----------
    shape : rows, cols of the raster.
    most_pixels : pixels that a strip may hold; a single row may hold more.
    block_rows : height of the file's blocks. Strips are whole blocks high, so that none is decoded
        twice, unless one block alone holds too many pixels.
    """
    n_rows, n_cols = shape
    height = max(1, most_pixels // n_cols)
    if height > block_rows:
        height -= height % block_rows
    return chunks(n_rows, height)


def windows(
    shape: tuple[int, int], most_pixels: int, block: tuple[int, int]
) -> Iterator[tuple[slice, slice]]:
    """Cut a raster into windows (rows, cols), whole blocks wide and high where memory allows.

    Parameters
    ----------
    shape, block : rows, cols of the raster and of its blocks.
    most_pixels : pixels that a window may hold; a single row of a block may hold more.
    """
    n_rows, n_cols = shape
    width = min(max(1, most_pixels // (block[0] * block[1])) * block[1], n_cols)
    for rows in strips((n_rows, width), most_pixels, block[0]):
        for cols in chunks(n_cols, width):
            yield rows, cols
