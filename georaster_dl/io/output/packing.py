"""Quantities as 16-bit numbers: half the disk of float32, at a known loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio

from georaster_dl.io.environment import allow_ungeoreferenced
from georaster_dl.io.output.statistics import BandStatistics

__all__ = ["PACKED_NODATA", "pack"]

PACKED_NODATA = -32768
_LARGEST = 32767
_STEPS = 2 * _LARGEST


def pack(floats: Path, packed: Path, statistics: BandStatistics, **profile: Any) -> None:
    """Write a float raster anew as int16, value = pixel * scale + offset, band by band.

    Each band's smallest and largest value become the smallest and largest number, so no value moves
    by more than a 131068th of the band's range.

    Parameters
    ----------
    floats : raster to read; what is not finite becomes nodata, -32768.
    packed : raster to make, with the tags and descriptions of the first.
    statistics : of all values of ``floats``.
    profile : creation options, as ``floats`` was made with.
    """
    scales, offsets = _affine(statistics)
    with allow_ungeoreferenced(), rasterio.open(floats) as source:
        profile = {**profile, "dtype": "int16", "nodata": PACKED_NODATA}
        with rasterio.open(packed, "w", **profile) as target:
            _describe(source, target, scales, offsets, statistics)
            for _, window in source.block_windows(1):
                for band, scale, offset in zip(source.indexes, scales, offsets, strict=True):
                    values = source.read(band, window=window)
                    target.write(_quantised(values, scale, offset), band, window=window)


def _affine(statistics: BandStatistics) -> tuple[list[float], list[float]]:
    known = statistics.count > 0
    low = np.where(known, statistics.minimum, 0.0)
    high = np.where(known, statistics.maximum, 0.0)
    scales = np.where(high > low, (high - low) / _STEPS, 1.0)
    return scales.tolist(), ((low + high) / 2).tolist()


def _quantised(
    values: npt.NDArray[np.floating[Any]], scale: float, offset: float
) -> npt.NDArray[np.int16]:
    known = np.isfinite(values)
    numbers = np.rint((np.where(known, values, offset).astype(np.float64) - offset) / scale)
    whole = np.clip(numbers, -_LARGEST, _LARGEST).astype(np.int16)
    return np.where(known, whole, np.int16(PACKED_NODATA))


def _describe(
    source: Any,
    target: Any,
    scales: list[float],
    offsets: list[float],
    statistics: BandStatistics,
) -> None:
    """All but the pixels, before there are any."""
    points, crs = source.gcps
    if points:
        target.gcps = (points, crs or rasterio.crs.CRS())
    if source.rpcs is not None:
        target.rpcs = source.rpcs
    target.descriptions, target.units = source.descriptions, source.units
    target.scales, target.offsets = scales, offsets
    target.update_tags(**source.tags())
    pixels = source.height * source.width
    for band, (scale, offset) in enumerate(zip(scales, offsets, strict=True)):
        of_band = {**source.tags(band + 1), **statistics.tags(band, pixels, scale, offset)}
        target.update_tags(band + 1, **of_band)
