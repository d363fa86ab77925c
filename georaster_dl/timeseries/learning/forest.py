"""Random forest on series that are interpolated to regular days: the rival of every network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from georaster_dl.timeseries.learning.inputs import pixel_means
from georaster_dl.timeseries.patches.pixels import fewer_labels, labelled_pixels
from georaster_dl.timeseries.samples import SeriesSamples

__all__ = ["FOREST", "SeriesForest", "interpolated", "regular_days"]

FOREST = "random forest"
_TREES = 300
_MOST_DAYS = 80  # regular days of a sensor
_MOST_PIXELS = 20_000  # of patches that it learns from

_Floats = npt.NDArray[np.float64]


def interpolated(
    values: npt.NDArray[np.float32], days: npt.NDArray[np.float32], grid: _Floats
) -> _Floats:
    """Interpolate series (N, T, B) linearly to regular days, (N, len(grid), B).

    Before the first and after the last value stands that value; NaN where a series has none.
    """
    out = np.full((len(values), len(grid), values.shape[2]), np.nan)
    valid = np.isfinite(values).all(axis=2) & np.isfinite(days)
    for row in np.flatnonzero(valid.any(axis=1)):
        order = np.argsort(days[row][valid[row]], kind="stable")
        at, seen = days[row][valid[row]][order], values[row][valid[row]][order]
        for band in range(values.shape[2]):
            out[row, :, band] = np.interp(grid, at, seen[:, band])
    return out


@dataclass(eq=False)
class SeriesForest:
    """Random forest of 300 trees; of parcels it sees the mean of their pixels, of patches labelled pixels.

    Attributes
    ----------
    season_start : from which days are counted.
    seed : of the trees.
    """

    season_start: str
    seed: int
    _grids: list[_Floats] = field(default_factory=list, repr=False)
    _filling: _Floats = field(default_factory=lambda: np.empty(0), repr=False)
    _trees: Any = field(default=None, repr=False)

    def fit(self, samples: SeriesSamples) -> Self:
        """Fit to samples of which every label is known, of patches to up to 20,000 pixels."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        if samples.unit == "patch":
            samples = labelled_pixels(fewer_labels(samples, _MOST_PIXELS, self.seed))
        kind = RandomForestRegressor if samples.legend is None else RandomForestClassifier
        self._grids = [
            regular_days(days, sensor.clear_dates)
            for days, sensor in zip(samples.days(self.season_start), samples.sensors, strict=True)
        ]
        features = self._features(samples)
        known = np.isfinite(features)
        count = known.sum(axis=0)
        self._filling = np.where(known, features, 0).sum(axis=0) / np.maximum(count, 1)
        self._trees = kind(_TREES, random_state=self.seed, n_jobs=-1)
        self._trees.fit(np.where(known, features, self._filling), samples.labels)
        return self

    def predict(self, samples: SeriesSamples) -> npt.NDArray[Any]:
        """Give class indexes or values (N,), of patches (N, side, side) with -1 where there is no label."""
        if samples.unit == "patch":
            assert samples.labels is not None  # of samples that test
            classes = np.full(samples.labels.shape, -1)
            classes[samples.labels >= 0] = self.predict(labelled_pixels(samples))
            return classes
        features = self._features(samples)
        predicted = self._trees.predict(np.where(np.isfinite(features), features, self._filling))
        return np.asarray(predicted)

    def _features(self, samples: SeriesSamples) -> _Floats:
        parts = []
        days = samples.days(self.season_start)
        for sensor, of_sensor, grid in zip(samples.sensors, days, self._grids, strict=True):
            values = sensor.values if sensor.values.ndim == 3 else pixel_means(sensor.values)
            parts.append(interpolated(values, of_sensor, grid).reshape(len(samples), -1))
        return np.concatenate(parts, axis=1)


def regular_days(days: npt.NDArray[np.float32], clear_dates: npt.NDArray[np.intp]) -> _Floats:
    """Regular days of a sensor: as many as most samples have dates, over all their days."""
    number = math.ceil(np.quantile(clear_dates, 0.9))
    first, last = np.nanmin(days), np.nanmax(days)
    return np.linspace(float(first), float(last), min(max(number, 1), _MOST_DAYS))
