"""Comparison of a raster's grid with a scene's, and views of a raster on another grid."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from georaster_dl.core.geography import Georeference, can_transform, resolution_m

__all__ = [
    "ground_sampling",
    "is_same_geobox",
    "is_same_grid",
    "overlap",
    "pixel_offset",
    "pixel_side",
    "proj_crs",
    "rasterio_crs",
    "warped",
]

_OFFSET, _SIZE = 0.01, 1e-6  # of a pixel, by which grids may differ: 10,000 pixels of that size
_LARGEST_DRIFT = 1e-5  # of a pixel, by which a pixel may be larger: 0.1 over 10,000


def is_same_grid(dataset: Any, geobox: Georeference) -> bool:
    """Return whether a raster's pixels are those of a grid, to 1 % of a pixel.

    Of a raster or grid that has neither CRS nor transform, only the shape is compared; so it is where
    the grid has ground control points.
    """
    if dataset.shape != tuple(geobox.shape):
        return False
    if isinstance(geobox, GCPGeoBox):
        return True
    if dataset.crs is None or geobox.crs is None:
        placeless = (
            crs is None and affine.is_identity
            for crs, affine in ((dataset.crs, dataset.transform), (geobox.crs, geobox.affine))
        )
        return any(placeless) or _is_near(dataset.transform, geobox.affine)
    return bool(dataset.crs == rasterio_crs(geobox)) and _is_near(dataset.transform, geobox.affine)


def _is_near(affine: Affine, other: Affine) -> bool:
    step = np.array(~other * affine)[:6] - np.array(Affine.identity())[:6]
    return bool(np.all(np.abs(step) < [_SIZE, _SIZE, _OFFSET, _SIZE, _SIZE, _OFFSET]))


def is_same_geobox(one: Georeference, other: Georeference) -> bool:
    """Return whether two grids have the same pixels, to 1 % of a pixel."""
    if isinstance(one, GCPGeoBox) or isinstance(other, GCPGeoBox):
        return bool(one == other)
    alike = tuple(one.shape) == tuple(other.shape) and one.crs == other.crs
    return alike and _is_near(one.affine, other.affine)


def overlap(one: Georeference, other: Georeference) -> bool:
    """Return whether the extents of two grids overlap, or may, as nothing leads from one's CRS to the other's."""
    if one.crs is None or other.crs is None:
        return True
    if one.crs != other.crs and not can_transform(other.crs.proj, one.crs.proj):
        return True
    ours, theirs = one.boundingbox, other.boundingbox.bbox
    if one.crs != other.crs:
        theirs = transform_bounds(rasterio_crs(other), rasterio_crs(one), *theirs)
    left, bottom, right, top = theirs
    return bool(min(ours.right, right) > max(ours.left, left)) and bool(
        min(ours.top, top) > max(ours.bottom, bottom)
    )


@lru_cache(maxsize=64)  # thousands of images share a grid, and each asks PROJ
def ground_sampling(geobox: Georeference) -> float | None:
    """Side of a pixel in metres, None where the CRS does not say."""
    return resolution_m(geobox)


def pixel_side(geobox: Georeference) -> float:
    """Side of a pixel in metres; in units of the transform where the CRS does not say how long those are."""
    box = geobox.approx if isinstance(geobox, GCPGeoBox) else geobox
    return ground_sampling(geobox) or abs(float(box.affine.determinant)) ** 0.5


def pixel_offset(geobox: GeoBox, other: GeoBox) -> tuple[float, float] | None:
    """Return rows and cols by which a grid begins below and right of another, in pixels.

    None where the two have another CRS, pixel size or orientation, so that pixels of one are none of the other.
    """
    if geobox.crs != other.crs:
        return None
    step = ~other.affine * geobox.affine
    turned = np.array(step)[[0, 1, 3, 4]] - np.array(Affine.identity())[[0, 1, 3, 4]]
    return None if np.abs(turned).max() >= _LARGEST_DRIFT else (step.f, step.c)


def rasterio_crs(geobox: Georeference) -> CRS | None:
    """Return a grid's CRS as rasterio takes it."""
    return None if geobox.crs is None else CRS.from_wkt(geobox.crs.to_wkt())


def proj_crs(dataset: Any) -> pyproj.CRS | None:
    """Return a raster's CRS as pyproj takes it."""
    return None if dataset.crs is None else pyproj.CRS.from_wkt(dataset.crs.to_wkt())


def warped(dataset: Any, geobox: GeoBox, resampling: Resampling, **options: Any) -> WarpedVRT:
    """View a raster on another grid.

    Parameters
    ----------
    options : of :class:`rasterio.vrt.WarpedVRT`.
    """
    rows, cols = geobox.shape
    return WarpedVRT(
        dataset,
        crs=rasterio_crs(geobox),
        transform=geobox.affine,
        width=cols,
        height=rows,
        resampling=resampling,
        **options,
    )
