"""Labels of tables that are probably wrong: of spectra, and of time series."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.label_check.out_of_fold import group_folds, probabilities_out_of_fold
from georaster_dl.label_check.suspects import Suspects, find_suspects
from georaster_dl.models.package.seasons import season_start_of
from georaster_dl.pixels.learn.classifier import Method
from georaster_dl.timeseries.learning.forest import interpolated, regular_days
from georaster_dl.timeseries.learning.inputs import pixel_means
from georaster_dl.timeseries.samples import SeriesSamples

__all__ = ["check_rows", "check_series", "series_features"]


def check_rows(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    method: Method = "rf",
    seed: int = 0,
) -> Suspects:
    """Find the rows of a table whose labels are probably wrong.

    Parameters
    ----------
    values : (n, features) of each row, such as a spectrum; NaN is replaced by the mean of its column.
    labels : (n,) class index, negative where it is not known.
    groups : (n,) number of rows that no fold divides, such as those of a field or a sample; None divides at random.
    method : ``rf`` or ``svm``, which gives the probabilities out of fold.

    Returns
    -------
    Of each row whether its label is suspect.

    Raises
    ------
    OptionError
        When fewer than two classes have two rows.
    """
    filled = _filled(np.asarray(values, np.float64))
    labels = np.asarray(labels, np.intp)
    together = np.arange(len(labels)) if groups is None else np.asarray(groups, np.intp)
    known = np.flatnonzero(labels >= 0)
    # A row is judged by itself, so groups may hold several classes; folds divide none of them.
    folds = group_folds(labels[known], known, together[known], seed)
    if not folds:
        raise OptionError(
            "Two classes with two labels each are needed to find wrong ones; give more labels."
        )
    n_classes = int(labels.max()) + 1
    probabilities = np.full((len(labels), n_classes), np.nan)
    for test, found in probabilities_out_of_fold(
        method, filled[known], labels[known], folds, together[known], n_classes=n_classes, seed=seed
    ):
        probabilities[known[test]] = found
    return find_suspects(probabilities, labels)


def check_series(samples: SeriesSamples, *, method: Method = "rf", seed: int = 0) -> Suspects:
    """Find the samples of time series whose classes are probably wrong.

    Samples that a split should not divide, such as the pixels of a parcel, are in one fold.

    Raises
    ------
    OptionError
        When the samples have no classes, are patches, or too few are labelled.
    """
    if samples.legend is None or samples.labels is None or samples.unit == "patch":
        raise OptionError(
            f"{samples.name} has no classes of pixels or parcels, of which labels can be checked; name the column of "
            f"classes with `class_column=`."
        )
    groups = None
    if samples.together is not None:
        groups = np.unique(samples.groups[samples.together].astype(str), return_inverse=True)[1]
    return check_rows(series_features(samples), samples.labels, groups, method=method, seed=seed)


def series_features(samples: SeriesSamples) -> npt.NDArray[np.float64]:
    """Interpolate series to regular days: (N, days x bands), NaN where a series has no value."""
    start = season_start_of(np.concatenate([sensor.dates for sensor in samples.sensors], axis=1))
    parts = []
    for sensor, days in zip(samples.sensors, samples.days(start), strict=True):
        values = sensor.values if sensor.values.ndim == 3 else pixel_means(sensor.values)
        regular = interpolated(values, days, regular_days(days, sensor.clear_dates))
        parts.append(regular.reshape(len(samples), -1))
    return np.concatenate(parts, axis=1)


def _filled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    known = np.isfinite(values)
    means = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, values, means).astype(np.float32)
