"""Arrays of images brought to another grid, window by window."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from odc.geo.gcp import GCPGeoBox
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds

from georaster_dl.core.errors import SceneError
from georaster_dl.core.raster import Georeference
from georaster_dl.io.scenes.grid import pixel_side, rasterio_crs

__all__ = ["regrid", "source_window"]

_AROUND = 2  # pixels that bilinear resampling takes beyond a window, and one to spare


def source_window(grid: Georeference, target: Georeference) -> tuple[slice, slice] | None:
    """Rows and cols of a grid that resampling to a target needs; None where both do not overlap.

    Raises
    ------
    SceneError
        When one of the grids has no CRS or no transform.
    """
    if grid.crs is None or target.crs is None or isinstance(grid, GCPGeoBox):
        raise SceneError(
            f"Grids of {grid.shape[0]} x {grid.shape[1]} and {target.shape[0]} x {target.shape[1]} pixels cannot be "
            f"laid over each other, as one has no CRS or no transform; give images with both."
        )
    box = target.boundingbox.bbox
    if grid.crs != target.crs:
        box = transform_bounds(rasterio_crs(target), rasterio_crs(grid), *box)
    corners = [~grid.affine * (x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    around = _AROUND * max(1.0, pixel_side(target) / pixel_side(grid))
    spans = []
    for axis, size in ((1, grid.shape[0]), (0, grid.shape[1])):
        places = [corner[axis] for corner in corners]
        first = max(0, math.floor(min(places) - around))
        last = min(size, math.ceil(max(places) + around))
        if first >= last:
            return None
        spans.append(slice(first, last))
    return spans[0], spans[1]


def regrid(
    values: npt.NDArray[np.float32], grid: Georeference, target: Georeference, how: Resampling
) -> npt.NDArray[np.float32]:
    """Resample images (..., rows, cols), each within its own valid pixels.

    Parameters
    ----------
    values : NaN where there is no measurement.
    grid, target : of the values, and of the result.
    """
    assert not isinstance(grid, GCPGeoBox)
    assert not isinstance(target, GCPGeoBox)
    flat = np.ascontiguousarray(values.reshape(-1, *values.shape[-2:]))
    out = np.full((len(flat), *target.shape), np.nan, np.float32)
    reproject(
        flat,
        out,
        src_transform=grid.affine,
        src_crs=rasterio_crs(grid),
        dst_transform=target.affine,
        dst_crs=rasterio_crs(target),
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=how,
        UNIFIED_SRC_NODATA="NO",
    )
    return out.reshape(*values.shape[:-2], *target.shape)
