"""Attention of a network to the dates of series, by class: which dates decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import create_model
from georaster_dl.timeseries.learning.by_date import date_of_day
from georaster_dl.timeseries.learning.fit import FittedSeries, kind_of
from georaster_dl.timeseries.learning.inputs import SeriesInputs
from georaster_dl.timeseries.samples import SeriesSamples

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_attention", "date_attention", "write_attention"]

_CHUNK = 1024  # samples at a time
_MOST_BINS = 40
_WIDTH, _ROW, _DOTS = 9.0, 0.32, 150  # inches, inches a class, dots an inch


def check_attention(architecture: str, samples: SeriesSamples) -> None:
    """Refuse a network that attends to no dates, before it learns.

    Raises
    ------
    OptionError
        When a network of the architecture has no attention.
    """
    sensors = tuple(len(sensor.bands) for sensor in samples.sensors)
    with torch.random.fork_rng(devices=[]):
        network = create_model(architecture, in_bands=sum(sensors), n_classes=2, sensors=sensors)
    if not hasattr(network, "attention"):
        raise OptionError(
            f"The network {architecture} attends to no dates; leave `attention=` out, or train ltae, pse_tae, pse_ltae "
            f"or utae."
        )


@torch.inference_mode()
def date_attention(fitted: FittedSeries, samples: SeriesSamples) -> pd.DataFrame:
    """Measure how much of its attention a network pays to each part of the season, by class and sensor.

    Parameters
    ----------
    samples : of pixels or parcels; by predicted class, of patches all together.

    Returns
    -------
    Rows of sensor, class, day (the middle of an interval), date (month and day) and share: of the attention to that
    sensor, the mean over heads and samples; shares of a class sum to 1.
    """
    import pandas as pd

    inputs = SeriesInputs.of(samples, fitted.scaling, fitted.season_start, kind_of(fitted.network))
    network = cast("Any", fitted.network)
    parts: list[list[Any]] = []
    for rows in torch.split(torch.arange(len(samples)), _CHUNK):
        sensors, geometry = inputs[rows].batch()
        shares = network.attention(sensors, geometry)
        parts.append([own.mean(1).numpy() for own in shares])
    classes = _classes(fitted, samples)
    found = []
    for number, (sensor, days) in enumerate(
        zip(samples.sensors, samples.days(fitted.season_start), strict=True)
    ):
        shares = np.concatenate([part[number] for part in parts])
        edges = _edges(days)
        middles = (edges[1:] + edges[:-1]) / 2
        place = np.clip(
            np.searchsorted(edges, np.nan_to_num(days), "right") - 1, 0, len(middles) - 1
        )
        for name in sorted(set(classes)):
            chosen = classes == name
            weights = np.nan_to_num(shares[chosen])
            sums = np.bincount(place[chosen].ravel(), weights.ravel(), len(middles))
            found += [
                {
                    "sensor": sensor.name,
                    "class": name,
                    "day": float(middle),
                    "date": date_of_day(middle, fitted.season_start),
                    "share": round(float(share), 5),
                }
                for middle, share in zip(middles, sums / max(sums.sum(), 1e-12), strict=True)
            ]
    return pd.DataFrame(found)


def _classes(fitted: FittedSeries, samples: SeriesSamples) -> Any:
    """Predicted class (N,) of each sample; one name for all where there are none."""
    if samples.legend is None or samples.unit == "patch":
        return np.full(len(samples), "all", object)
    names = np.array(samples.legend.names, object)
    return names[fitted.predict(samples)]


def _edges(days: Any) -> Any:
    """Find the edges of the intervals: around each date where samples share their dates, else at even steps."""
    known = np.unique(days[np.isfinite(days)])
    gaps = np.diff(np.sort(days, axis=1), axis=1)
    usual = np.median(gaps[gaps > 0]) if (gaps > 0).any() else 1.0
    # The same date of two years may be a day apart.
    apart = np.flatnonzero(np.diff(known) > usual / 2)
    if len(apart) < _MOST_BINS:
        between = (known[apart] + known[apart + 1]) / 2
        return np.concatenate([[known[0] - 0.5], between, [known[-1] + 0.5]])
    return np.linspace(known[0] - 0.5, known[-1] + 0.5, _MOST_BINS + 1)


def write_attention(attention: pd.DataFrame, path: Path) -> None:
    """Write attention to dates as a table (.csv) or a picture (.png)."""
    from georaster_dl.spectra.table.write import write_csv

    if path.suffix.lower() == ".csv":
        write_csv(attention, path)
        return
    from matplotlib.figure import Figure

    sensors = list(dict.fromkeys(attention["sensor"]))
    classes = list(dict.fromkeys(attention["class"]))
    height = (1.2 + _ROW * len(classes)) * len(sensors)
    figure = Figure(figsize=(_WIDTH, height), dpi=_DOTS, layout="constrained")
    for axes, sensor in zip(
        figure.subplots(len(sensors), squeeze=False)[:, 0], sensors, strict=True
    ):
        own = attention[attention["sensor"] == sensor]
        grid = own.pivot(index="class", columns="day", values="share").loc[classes]
        image = axes.imshow(grid.to_numpy(), aspect="auto", cmap="magma_r", vmin=0)
        dates = dict(zip(own["day"], own["date"], strict=True))
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xticks(
            range(grid.shape[1]), [dates[day] for day in grid.columns], rotation=90, fontsize=7
        )
        axes.set_title(
            f"Attention to the dates{'' if len(sensors) == 1 else f' of {sensor}'}", loc="left"
        )
        figure.colorbar(image, ax=axes, label="share", pad=0.01)
    figure.savefig(path)
