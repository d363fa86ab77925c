"""Tiling plans: tile size, halo, blend margin, batch, and the memory that these take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from georaster_dl.core.errors import DeviceError, OptionError
from georaster_dl.io.environment import FILE_CACHE
from georaster_dl.models.package.card import Card
from georaster_dl.tiling.tiles import Tiling, round_up

__all__ = ["Plan", "TileContext", "TilingRequest", "make_plan", "smaller", "tile_context"]

_SWEET_SPOT = 1024  # larger cores gain little and fall out of the processor's cache
_LARGEST = 2048
_SHARE = 0.5  # of the free memory, the rest is for the strip, the writer and others
_SCRATCH = 1.4  # kernels' own buffers, over the activations that the card counts
_LARGEST_BATCH = 16
# Tile, strip and GDAL's cache together stay below 896 MiB even where far more is free: a wide scene
# gets flatter tiles, which costs a few per cent of time and keeps a run modest on a shared machine.
_MODEST = 896 * 2**20 - FILE_CACHE
# Where a row of blocks of all bands takes more than this, strips are read panel by panel.
_HEAVY = _MODEST // 3
_PANEL_CORE = (
    512  # rows of a tile beside its halo: with fewer, more blocks are decoded more than once
)
_COPIES = 10  # bytes that a number of a tile takes: as it is cut, waits, and is normalised
# Where a pixel needs no other, small tiles cost nothing: the first is soon read, the last soon
# written, and several threads compute one each.
_SMALL = 2**22  # numbers of such a tile
_FLATTEST = 16  # its fewest rows
_STRIPS = 16  # that even a small scene is cut into, as far as these rows allow
_MOST_AT_ONCE = 8  # tiles; with more threads, some compute a tile together


@dataclass(frozen=True)
class TileContext:
    """Surroundings of a tile in pixels: its halo, and the margin blended across each seam."""

    halo: int
    blend: int


@dataclass(frozen=True)
class TilingRequest:
    """Scene and model to plan tiles for, independent of the device.

    Attributes
    ----------
    shape : rows and columns of the scene.
    tile_limit : largest side of a tile in pixels, halo included; from the memory where None.
    block : rows, cols that the file decodes at once: of a strip, up to so many are held beyond the
        tile's.
    """

    shape: tuple[int, int]
    card: Card
    context: TileContext
    tile_limit: int | None = None
    block: tuple[int, int] = (512, 512)


@dataclass(frozen=True)
class Plan:
    """A cut of a scene.

    Attributes
    ----------
    tiling : the tiles.
    margin : pixels on each side of a seam over which probabilities are blended; 0 trims.
    batch : tiles that the network sees at once.
    at_once : batches that are computed at the same time, in threads of their own.
    tile_limit : largest side of a tile that this plan allowed.
    memory : bytes that the network, the strips and GDAL's cache will take, about.
    panels : whether a strip is read block column by block column, not in its full width.
    """

    tiling: Tiling
    margin: int
    batch: int
    tile_limit: int
    memory: int
    at_once: int = 1
    panels: bool = False

    @property
    def pixels(self) -> int:
        """Pixels that the network sees, halos included."""
        rows, cols = self.tiling.tile_shape
        return len(self.tiling) * rows * cols

    def cut(self) -> dict[str, Any]:
        """Fields that determine the tiles, for JSON."""
        return {
            "tile": list(self.tiling.tile_shape),
            "halo": self.tiling.halo,
            "margin": self.margin,
            "batch": self.batch,
        }

    def as_cut(self, cut: Mapping[str, Any]) -> Plan:
        """Give the plan the tiles of another one for the same scene and model."""
        tiling = Tiling(
            self.tiling.shape,
            tile=tuple(cut["tile"]),
            halo=cut["halo"],
            stride=self.tiling.stride,
        )
        return replace(self, tiling=tiling, margin=cut["margin"], batch=cut["batch"])


def tile_context(card: Card, halo: int | Literal["auto", "exact"] = "auto") -> TileContext:
    """Look up the halo and the blend margin of a model's tiles.

    Parameters
    ----------
    halo : pixels; ``auto`` is the card's default, ``exact`` the halo with which tiles equal the
        untiled result.

    Raises
    ------
    OptionError
        When the model has no exact halo, or the halo is negative.
    """
    if halo == "exact":
        if card.halo.exact is None:
            raise OptionError(
                f"`halo='exact'` is impossible with {card.name}: each of its outputs depends on the whole "
                f"input; its tiles are blended instead (`halo='auto'`, or a number of pixels)."
            )
        return TileContext(card.halo.exact, 0)
    if halo == "auto":
        return TileContext(card.halo.default, card.halo.blend)
    if halo < 0:
        raise OptionError(
            f"`halo=` must be auto, exact or a number of pixels from 0 up, not {halo}."
        )
    rounded = round_up(halo, card.stride)
    return TileContext(rounded, min(card.halo.blend, rounded))


def make_plan(
    request: TilingRequest,
    *,
    memory: int,
    largest_batch: int = 1,
    threads: int = 1,
    bytes_per_value: int = 4,
) -> Plan:
    """Plan the tiles of a scene for a device.

    Parameters
    ----------
    memory : free bytes on the device.
    largest_batch : most tiles at once; a CPU gains nothing from more than one.
    threads : of a CPU. Where pixels need no neighbours, each computes tiles of its own: threads
        that share a tile wait for each other, and all for the one that the reader holds up.
    bytes_per_value : of the network's arithmetic, 4 for fp32 and 2 for bf16 and fp16.

    Raises
    ------
    OptionError
        When the tile limit leaves nothing within the halo.
    DeviceError
        When not even the smallest tile fits into the memory.
    """
    shape, card, tile_limit = request.shape, request.card, request.tile_limit
    halo, margin = request.context.halo, request.context.blend
    activations = card.cost.bytes_per_pixel * bytes_per_value / 4
    per_pixel = _SCRATCH * activations + 16 * len(card.bands)
    affordable = int((_SHARE * memory / per_pixel) ** 0.5)
    smallest = 2 * halo + 2 * card.stride
    wished = tile_limit or min(max(_SWEET_SPOT + 2 * halo, 8 * halo), max(_LARGEST, smallest))
    limit = max(min(wished, affordable) // card.stride * card.stride, 0)
    _check_smallest(request, affordable, smallest, per_pixel, memory)
    rows, cols, panels = limit, limit, False
    alone = card.halo.exact == halo == margin == 0
    if tile_limit is None and alone:
        rows = min(limit, _flat(shape, limit, len(card.bands)))
    elif tile_limit is None:
        panels = _needs_panels(request)
        rows, cols = (
            max(min(limit, side) // card.stride * card.stride, min(limit, smallest))
            for side in (_panel if panels else _modest)(request, limit, activations)
        )
    tiling = Tiling(shape, tile=(rows, cols), halo=halo, stride=card.stride)
    rows, cols = tiling.tile_shape
    tile_bytes = int(rows * cols * per_pixel)
    batch = max(
        1, min(largest_batch, _LARGEST_BATCH, len(tiling), int(_SHARE * memory) // tile_bytes)
    )
    most = min(threads, _MOST_AT_ONCE, len(tiling), int(_SHARE * memory) // tile_bytes)
    at_once = max(1, most) if alone else 1
    strip = rows * (cols + request.block[1]) if panels else (rows + request.block[0]) * shape[1]
    return Plan(
        tiling=tiling,
        margin=min(margin, tiling.largest_margin()),
        batch=batch,
        tile_limit=limit,
        memory=batch * at_once * tile_bytes + strip * (2 * len(card.bands) + 1) + FILE_CACHE,
        at_once=at_once,
        panels=panels,
    )


def _check_smallest(
    request: TilingRequest, affordable: int, smallest: int, per_pixel: float, memory: int
) -> None:
    """Refuse a tile limit within the halo, and a device on which not even the smallest tile fits."""
    card, halo, tile_limit = request.card, request.context.halo, request.tile_limit
    least = min(smallest, round_up(max(request.shape), card.stride))
    if tile_limit is not None and tile_limit // card.stride * card.stride < least <= affordable:
        raise OptionError(
            f"`tile={tile_limit}` leaves nothing within the halo of {halo} pixels on each side; the smallest "
            f"tile of {card.name} has {least} pixels: use that or more, or a smaller `halo=`."
        )
    if affordable // card.stride * card.stride < least:
        need = smallest**2 * per_pixel / _SHARE
        raise DeviceError(
            f"{card.name} needs about {need / 2**20:.0f} MiB for its smallest tile ({smallest} pixels "
            f"with a halo of {halo}) but {memory / 2**20:.0f} MiB are free; free memory, use a "
            f"smaller `halo=` or another `device=`."
        )


def _needs_panels(request: TilingRequest) -> bool:
    """Whether full-width strips would take too much memory, and the file's blocks allow for less."""
    n_cols = request.shape[1]
    row_of_blocks = request.block[0] * n_cols * (2 * len(request.card.bands) + 1)
    return row_of_blocks > _HEAVY and 2 * request.block[1] <= n_cols


def _modest(request: TilingRequest, limit: int, activations: float) -> tuple[int, int]:
    """Rows, cols of a tile with which tile and strip together take modest memory."""
    n_cols, n_bands = request.shape[1], len(request.card.bands)
    of_row = n_cols * (2 * n_bands + 1)  # bytes that a row of the strip takes
    of_tile = min(limit, n_cols) * (activations + _COPIES * n_bands)
    return int((_MODEST - request.block[0] * of_row) / (of_tile + of_row)), limit


def _panel(request: TilingRequest, limit: int, activations: float) -> tuple[int, int]:
    """Rows, cols of a tile with which it and a column of blocks together take modest memory."""
    n_bands = len(request.card.bands)
    core = max(_PANEL_CORE // request.block[0], 1) * request.block[0]
    rows = min(core + 2 * request.context.halo, limit)
    of_col = rows * (2 * n_bands + 1)
    of_tile = rows * (activations + _COPIES * n_bands)
    return rows, int((_MODEST - request.block[1] * of_col) / (of_tile + of_col))


def _flat(shape: tuple[int, int], limit: int, n_bands: int) -> int:
    """Rows of a tile of a network of single pixels."""
    of_row = n_bands * min(limit, shape[1])
    return max(min(_SMALL // of_row, -(-shape[0] // _STRIPS)), _FLATTEST)


def smaller(plan: Plan) -> Plan | None:
    """The plan with half the batch, then fewer at once, then half the tile; None where none can shrink."""
    if plan.batch > 1:
        return replace(plan, batch=plan.batch // 2)
    if plan.at_once > 1:
        return replace(plan, at_once=plan.at_once // 2)
    halo, stride = plan.tiling.halo, plan.tiling.stride
    limit = max(plan.tiling.tile_shape) // 2 // stride * stride
    if limit < 2 * halo + 2 * stride:
        return None
    # A tile may be flat already; it must not grow taller.
    tile = min(plan.tiling.tile_shape[0], limit), limit
    tiling = Tiling(plan.tiling.shape, tile=tile, halo=halo, stride=stride)
    return replace(
        plan,
        tiling=tiling,
        margin=min(plan.margin, tiling.largest_margin()),
        tile_limit=limit,
        memory=plan.memory // 4,
    )
