"""Tiles that cover a raster: disjoint cores, each read with a halo of context around it.

Along one axis of ``n`` pixels, padded up to the network's stride, every tile reads the same number
of pixels, so that every batch has one shape and a run is bit-stable::

    scene   |-----------------------------------------|xx|     xx = padding up to the stride
    tile 0  |================---|
    tile 1                |---=============---|
    tile 2                            |---==================|  its origin moved back, not shrunk

``=`` is the core that a tile owns, ``-`` the halo that is thrown away. At the scene's own border
a tile has no halo: what the network does there (its own padding) is what it would do on the whole
scene at once. All origins lie on the stride grid, which makes down-sampling networks exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from georaster_dl.core.errors import OptionError

__all__ = ["Tile", "Tiling", "round_up"]


def round_up(value: int, step: int) -> int:
    """Smallest multiple of ``step`` that is not below ``value``."""
    return -(-value // step) * step


@dataclass(frozen=True)
class Tile:
    """One tile of a tiling.

    Attributes
    ----------
    row, col : place in the tiling, counted in tiles.
    outer_rows, outer_cols : pixels that are read, in the padded scene.
    core_rows, core_cols : pixels that the tile owns, in the scene.
    """

    row: int
    col: int
    outer_rows: slice
    outer_cols: slice
    core_rows: slice
    core_cols: slice

    @property
    def inner_rows(self) -> slice:
        """Rows of the core, counted from the tile's first row."""
        return _shifted(self.core_rows, -self.outer_rows.start)

    @property
    def inner_cols(self) -> slice:
        """Columns of the core, counted from the tile's first column."""
        return _shifted(self.core_cols, -self.outer_cols.start)


@dataclass(frozen=True)
class _Span:
    outer: slice
    core: slice


def _shifted(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)


def _spans(n: int, tile: int, halo: int, stride: int) -> tuple[_Span, ...]:
    """Spans of one axis; see the module's drawing."""
    padded = round_up(n, stride)
    size = round_up(tile, stride)
    if size >= padded:
        return (_Span(slice(0, padded), slice(0, n)),)
    if size <= 2 * halo:
        raise OptionError(
            f"A tile of {size} pixels leaves no core inside a halo of {halo} on each side; "
            f"use a tile of more than {2 * halo} pixels or a smaller `halo=`."
        )
    count = -(-(padded - 2 * halo) // (size - 2 * halo))
    # The same number of tiles with the least overlap: less work, and still one size for all.
    size = round_up(-(-(padded + (count - 1) * 2 * halo) // count), stride)
    step = size - 2 * halo
    origins = [min(i * step, padded - size) for i in range(count)]
    stops = [i * step + size - halo for i in range(count - 1)] + [n]
    starts = [0, *stops[:-1]]
    return tuple(
        _Span(slice(origin, origin + size), slice(start, stop))
        for origin, start, stop in zip(origins, starts, stops, strict=True)
    )


class Tiling:
    """Disjoint cores that cover ``shape``, each with up to ``halo`` pixels of context.

    Parameters
    ----------
    shape : rows, cols of the scene in pixels.
    tile : largest rows, cols that a tile may read, halo included; rounded up to the stride.
    halo : context in pixels on each side of a core; a multiple of ``stride``.
    stride : total down-sampling of the network; origins are multiples of it.

    Raises
    ------
    OptionError
        When a size is not positive, the halo is off the stride grid, or no core is left.
    """

    def __init__(
        self, shape: tuple[int, int], *, tile: tuple[int, int], halo: int, stride: int = 1
    ) -> None:
        if min(*shape, *tile, stride) < 1 or halo < 0 or halo % stride:
            raise OptionError(
                f"A tiling needs positive sizes and a halo that is a multiple of the stride, but got "
                f"scene {shape}, tile {tile}, halo {halo}, stride {stride}."
            )
        self.shape = shape
        self.halo = halo
        self.stride = stride
        self._rows = _spans(shape[0], tile[0], halo, stride)
        self._cols = _spans(shape[1], tile[1], halo, stride)

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Rows, cols that every tile reads."""
        rows, cols = self._rows[0].outer, self._cols[0].outer
        return rows.stop - rows.start, cols.stop - cols.start

    @property
    def grid(self) -> tuple[int, int]:
        """Number of tile rows (strips) and of tiles in each."""
        return len(self._rows), len(self._cols)

    def __len__(self) -> int:
        return len(self._rows) * len(self._cols)

    def __iter__(self) -> Iterator[Tile]:
        """Tiles strip by strip from the top, each strip from the left."""
        for row in range(len(self._rows)):
            yield from self.strip(row)

    def strip(self, row: int) -> tuple[Tile, ...]:
        """Tiles of one row of tiles, from the left."""
        rows = self._rows[row]
        return tuple(
            Tile(row, col, rows.outer, cols.outer, rows.core, cols.core)
            for col, cols in enumerate(self._cols)
        )

    def largest_margin(self) -> int:
        """Widest blend margin: within the halo, and no pixel nearer than that to two seams."""
        spans = (*self._rows[1:-1], *self._cols[1:-1])
        between_seams: list[int] = [(s.core.stop - s.core.start) // 2 for s in spans]
        return min([self.halo, *between_seams])
