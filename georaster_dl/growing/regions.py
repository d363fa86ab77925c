"""Regions of a scene that grow from places in its CRS, with a cache of windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import area_measure, to_coordinates
from georaster_dl.growing.similarity import TOLERANCE, Click, SimilarPixels
from georaster_dl.growing.windows import Windows
from georaster_dl.io.connected import mask_outline
from georaster_dl.io.vectors.polygons import check_polygons_possible

__all__ = ["WINDOW", "Region", "RegionGrower", "Seed"]

WINDOW = 512
"""Side in pixels of the window in which a region grows, by default."""

_SMALLEST, _LARGEST = 32, 4096
_MARGIN = 8  # part of a window; clicks nearer to its edge than that have another window
_KEPT_BYTES = 2**29


@dataclass(frozen=True)
class Seed:
    """A place in the CRS of the scene, to be part of the region or not."""

    x: float
    y: float
    add: bool = True


@dataclass(frozen=True)
class Region:
    """A grown region.

    Attributes
    ----------
    geometry : its outline along pixel edges, a polygon or several, in the CRS of the scene.
    pixels : in it.
    area_m2 : its area; None where the CRS does not say.
    cut : whether it reaches an edge of the window that is none of the scene.
    """

    geometry: shapely.Geometry
    pixels: int
    area_m2: float | None
    cut: bool


@dataclass(frozen=True)
class _Window:
    rows: slice
    cols: slice
    side: int
    pixels: SimilarPixels


class RegionGrower:
    """Grower of regions in a scene, with a cache of windows, so that a further click in the same window reads nothing.

    Parameters
    ----------
    windows : spectra of the scene, or features.

    Raises
    ------
    OutputError
        When the scene has no affine transform.
    """

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        grid: Any = windows.scene.geobox
        has_gcps = isinstance(grid, GCPGeoBox)
        check_polygons_possible(
            has_gcps=has_gcps,
            has_transform=not has_gcps and not (grid.affine.is_identity and grid.crs is None),
        )
        self._grid: GeoBox = grid
        crs = None if grid.crs is None else grid.crs.proj
        self._area = area_measure(crs, self._grid.affine, windows.scene.shape)
        self._kept: list[_Window] = []

    def grow(
        self, seeds: Sequence[Seed], tolerance: float = TOLERANCE, window: int = WINDOW
    ) -> Region:
        """Grow the region of pixels that are like those at some places.

        Parameters
        ----------
        seeds : places in the CRS of the scene, at least one that adds.
        tolerance : distance from the nearest of them, in robust deviations of the window.
        window : side in pixels of the window in which the region lies.

        Raises
        ------
        OptionError
            When a place is outside of the scene or has no measurement, or when they are further apart than the window.
        """
        if not any(seed.add for seed in seeds):
            raise OptionError(
                f"A region needs a place to begin with, but none of {len(seeds)} clicks adds; click on what it is to cover."
            )
        if not _SMALLEST <= window <= _LARGEST:
            raise OptionError(
                f"A window of {window} pixels came; its side is from {_SMALLEST} to {_LARGEST} pixels."
            )
        if not (math.isfinite(tolerance) and tolerance >= 0):
            raise OptionError(f"A tolerance of {tolerance} came; give a number from 0 on.")
        places = [self._pixel(seed) for seed in seeds]
        found = self._window(np.array(places), window)
        clicks = [
            Click(row - found.rows.start, col - found.cols.start, seed.add)
            for (row, col), seed in zip(places, seeds, strict=True)
        ]
        for seed, click in zip(seeds, clicks, strict=True):
            if not found.pixels.valid[click.row, click.col]:
                raise OptionError(
                    f"There is no measurement at {seed.x:.10g}, {seed.y:.10g} (nodata or masked); click on another pixel."
                )
        mask = found.pixels.region(clicks, tolerance)
        geometry = mask_outline(mask, self._grid[found.rows, found.cols])
        area = float(self._area(np.array(shapely.get_parts(geometry))).sum())
        return Region(
            geometry,
            int(mask.sum()),
            area if math.isfinite(area) else None,
            self._is_cut(found, mask),
        )

    def _pixel(self, seed: Seed) -> tuple[int, int]:
        col, row = (math.floor(place) for place in ~self._grid.affine * (seed.x, seed.y))
        rows, cols = self._windows.scene.shape
        if not (0 <= row < rows and 0 <= col < cols):
            (left, right), (top, bottom) = to_coordinates(
                self._grid.affine, np.array([0.0, cols]), np.array([0.0, rows])
            )
            raise OptionError(
                f"The click at {seed.x:.10g}, {seed.y:.10g} is outside of the scene, whose corners are {left:.10g}, "
                f"{top:.10g} and {right:.10g}, {bottom:.10g}; click inside, in the CRS of the scene."
            )
        return row, col

    def _window(self, places: npt.NDArray[np.int64], side: int) -> _Window:
        """Find or read the window of some pixels (n, 2)."""
        first, last = places.min(axis=0), places.max(axis=0)
        apart = int((last - first).max()) + 1
        if apart > side:
            raise OptionError(
                f"The clicks are {apart} pixels apart, but the window is {side} pixels wide; accept the region and begin "
                f"another one, or enlarge the window."
            )
        for kept in reversed(self._kept):
            if kept.side == side and all(
                self._is_well_inside(kept, *place) for place in places.tolist()
            ):
                self._kept.remove(kept)
                self._kept.append(kept)
                return kept
        rows, cols = (
            _centred(int(middle), side, length)
            for middle, length in zip((first + last) // 2, self._windows.scene.shape, strict=True)
        )
        raster = self._windows.read(rows, cols)
        if not raster.valid.any():
            raise OptionError(
                "There is no measurement near the click (nodata or masked); click on another pixel."
            )
        made = _Window(rows, cols, side, SimilarPixels(raster.array, raster.valid))
        self._kept.append(made)
        while len(self._kept) > 1 and sum(kept.pixels.nbytes for kept in self._kept) > _KEPT_BYTES:
            del self._kept[0]
        return made

    def _is_well_inside(self, window: _Window, row: int, col: int) -> bool:
        return all(
            (span.start == 0 or place - span.start >= window.side // _MARGIN)
            and (span.stop == length or span.stop - place > window.side // _MARGIN)
            and span.start <= place < span.stop
            for place, span, length in zip(
                (row, col), (window.rows, window.cols), self._windows.scene.shape, strict=True
            )
        )

    def _is_cut(self, window: _Window, mask: npt.NDArray[np.bool_]) -> bool:
        rows, cols = self._windows.scene.shape
        return bool(
            (window.rows.start > 0 and mask[0].any())
            or (window.rows.stop < rows and mask[-1].any())
            or (window.cols.start > 0 and mask[:, 0].any())
            or (window.cols.stop < cols and mask[:, -1].any())
        )


def _centred(middle: int, side: int, length: int) -> slice:
    """Place a span of a side around a pixel, moved to be inside of an axis."""
    start = max(min(middle - side // 2, length - side), 0)
    return slice(start, min(start + side, length))
