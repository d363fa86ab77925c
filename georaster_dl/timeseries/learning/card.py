"""Card of a model of series: input, time axis, metrics, training data, limitations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from georaster_dl.core.text import slug
from georaster_dl.core.wording import counted, listed
from georaster_dl.models.contract import Dated, network_stride
from georaster_dl.models.package.card import Architecture, Card, Cost, ModelHalo
from georaster_dl.models.package.series import CardSensor, CardSeries
from georaster_dl.models.package.values import Target
from georaster_dl.models.zoo.series.bound import patch_step
from georaster_dl.timeseries.learning.fit import FittedSeries, kind_of
from georaster_dl.timeseries.learning.options import SeriesTrainOptions
from georaster_dl.timeseries.patches.tiles import patch_cost
from georaster_dl.timeseries.samples import SeriesSamples

__all__ = ["series_card"]

_MOST_PLACES = 256
_COSTED = 64  # samples on which the cost is counted


def series_card(
    path: Path,
    fitted: FittedSeries,
    taught: SeriesSamples,
    options: SeriesTrainOptions,
    *,
    metrics: Mapping[str, float],
    training: Mapping[str, str],
    limitations: str,
) -> Card:
    """Describe a fitted network.

    Parameters
    ----------
    path : of the package, whose name the model gets.
    taught : samples that it learnt from.
    metrics, training, limitations : for the card's fields of these names.
    """
    legend, target = taught.legend, taught.target
    patches = taught.unit == "patch"
    side = taught.sensors[0].values.shape[-1] if patches else None
    step = 0 if side is None else patch_step(side, network_stride(fitted.network))
    outputs = "A quantity" if legend is None else counted(len(legend.classes), "class")
    targets: tuple[Target, ...] = ()
    if target is not None and fitted.target is not None:
        mean, std = fitted.target
        targets = (Target(target, mean=mean, std=std, interval=fitted.interval),)
    return Card(
        name=slug(path.stem),
        version="1",
        description=f"{outputs} from series of {listed(b.name for b in taught.bands)}, learnt from {taught.name}."[
            :500
        ],
        task="segmentation" if target is None else "regression",
        architecture=Architecture(name=options.architecture, options=dict(fitted.options)),
        bands=fitted.scaling.input_bands(taught.bands),
        quantity=taught.quantity,
        resolution_m=None if taught.resolution_m is None else (taught.resolution_m,) * 2,
        classes=() if legend is None else legend.classes,
        targets=targets,
        stride=step or 1,
        halo=ModelHalo(default=step, exact=step, changed=0),
        cost=patch_cost(fitted) if patches else _cost(fitted.network, taught),
        licence=options.licence,
        places=_places(taught),
        training={key: value[:500] for key, value in training.items() if value},
        configuration=_configuration(options),
        metrics={key: round(value, 6) for key, value in metrics.items() if np.isfinite(value)},
        calibration=fitted.calibration,
        limitations=limitations,
        series=_series(fitted, taught, early=options.early),
    )


def _series(fitted: FittedSeries, taught: SeriesSamples, *, early: bool) -> CardSeries:
    days = np.concatenate(taught.days(fitted.season_start), axis=1)
    clear = taught.clear_dates
    return CardSeries(
        sensors=tuple(CardSensor(name=s.name, bands=len(s.bands)) for s in taught.sensors),
        unit=taught.unit,
        season_start=fitted.season_start,
        days=(float(np.nanmin(days)), float(np.nanmax(days))),
        dates=(
            1 if early else int(clear.min()),
            int(clear.max()),
        ),  # series that were cut off have few
        mask=taught.mask,
        patch=taught.sensors[0].values.shape[-1] if taught.unit == "patch" else None,
    )


def _cost(network: nn.Module, taught: SeriesSamples) -> Cost:
    """Multiply-accumulates of a pixel at one date; memory as of its values."""
    dates = max(int(np.median(taught.clear_dates)) // len(taught.sensors), 1)
    single = kind_of(network) == "pixel"
    sensors = [
        Dated(
            torch.zeros(_COSTED, dates, len(sensor.bands), *() if single else (1,)),
            torch.arange(dates, dtype=torch.float32).expand(_COSTED, -1),
            torch.ones(_COSTED, dates, *() if single else (1,), dtype=torch.bool),
        )
        for sensor in taught.sensors
    ]
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        network(sensors, torch.zeros(_COSTED, 4))
    # The counter takes a multiply-accumulate for two operations.
    per_pixel = counter.get_total_flops() / 2 / _COSTED / dates
    return Cost(macs_per_pixel=per_pixel, bytes_per_pixel=4 * len(taught.bands))


def _places(taught: SeriesSamples) -> tuple[tuple[float, float], ...]:
    """Places of the samples, to a tenth of a degree; to a degree where there are too many."""
    if taught.lonlat is None:
        return ()
    known = taught.lonlat[np.isfinite(taught.lonlat).all(axis=1)]
    exact, coarse = ({(float(x), float(y)) for x, y in known.round(n)} for n in (1, 0))
    return tuple(sorted(exact if len(exact) <= _MOST_PLACES else coarse)[:_MOST_PLACES])


def _configuration(options: SeriesTrainOptions) -> dict[str, str]:
    flat: dict[str, Any] = {k: v for k, v in vars(options).items() if k not in ("split", "options")}
    flat |= {f"split.{key}": value for key, value in vars(options.split).items()}
    flat |= {f"options.{key}": value for key, value in options.options.items()}
    return {key: str(value)[:500] for key, value in sorted(flat.items()) if value is not None}
