"""Measurements for tiling by networks of patches: cost of a pixel, halo and blending."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from georaster_dl.models.contract import network_stride
from georaster_dl.models.package.card import Cost, ModelHalo
from georaster_dl.models.runtime.cost import measure_cost
from georaster_dl.models.runtime.halo import choose_halo
from georaster_dl.models.zoo.series.bound import DatedNetwork
from georaster_dl.timeseries.samples import SeriesSamples

if TYPE_CHECKING:
    from georaster_dl.timeseries.learning.fit import FittedSeries

__all__ = ["patch_cost", "patch_halo"]

_DATES = 8  # with which the cost is measured
_COSTED_SIDE = 64
_MEASURED = 4  # patches on which the halo is measured
_UNMEASURED_HALO = 16  # pixels, where patches are too small to be cut


def patch_cost(fitted: FittedSeries) -> Cost:
    """Measure the cost of a pixel at one date, of all sensors together."""
    bands = [len(mean) for mean in fitted.scaling.mean]
    bound = DatedNetwork(fitted.network, bands, [range(_DATES)] * len(bands))
    whole = measure_cost(
        bound,
        in_bands=_DATES * sum(bands),
        stride=network_stride(fitted.network),
        side=_COSTED_SIDE,
        device="cpu",
    )
    return Cost(
        macs_per_pixel=whole.macs_per_pixel / _DATES, bytes_per_pixel=whole.bytes_per_pixel / _DATES
    )


def patch_halo(fitted: FittedSeries, samples: SeriesSamples) -> ModelHalo:
    """Measure the halo on patches that are cut into tiles, three quarters of their side; tiles are blended over it.

    An exact halo there is none: each pixel depends on the whole tile, by normalisation over images.
    """
    stride = network_stride(fitted.network)
    side = samples.sensors[0].values.shape[3]
    tile = side * 3 // 4 // stride * stride
    if tile < 4 * stride:
        return ModelHalo(default=_UNMEASURED_HALO, blend=_UNMEASURED_HALO)
    alike = _of_same_dates(samples)
    images = _planes(fitted, alike)
    days = [own[0] for own in alike.days(fitted.season_start)]
    dated = [np.isfinite(own) for own in days]
    bands = [len(sensor.bands) for sensor in alike.sensors]
    bound = DatedNetwork(
        fitted.network, bands, [own[has].tolist() for own, has in zip(days, dated, strict=True)]
    )
    kept = np.concatenate([np.repeat(has, n) for has, n in zip(dated, bands, strict=True)])
    halo, changed = choose_halo(
        bound, [image[kept] for image in images], stride=stride, exact=None, tile=tile
    )
    return ModelHalo(default=halo, changed=round(changed, 6), blend=halo)


def _of_same_dates(samples: SeriesSamples) -> SeriesSamples:
    """Patches, a few at most, that have the dates of the first: those of one stack."""
    alike = np.ones(len(samples), bool)
    for sensor in samples.sensors:
        dates = sensor.dates.astype(np.int64)  # NaT as a number, equal to itself
        alike &= (dates == dates[0]).all(axis=1)
    return samples.rows(np.flatnonzero(alike)[:_MEASURED])


def _planes(fitted: FittedSeries, samples: SeriesSamples) -> list[npt.NDArray[np.float32]]:
    """Normalised planes (dates x bands, side, side) of each patch, sensor by sensor, NaN where masked."""
    sensors = []
    for sensor, mean, std in zip(
        samples.sensors, fitted.scaling.mean, fitted.scaling.std, strict=True
    ):
        scaled = (sensor.values - mean[:, None, None]) / std[:, None, None]
        masked = np.where(sensor.valid[:, :, None], scaled, np.nan)
        sensors.append(masked.reshape(len(masked), -1, *masked.shape[3:]).astype(np.float32))
    return list(np.concatenate(sensors, axis=1))
