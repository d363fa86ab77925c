"""Predictions as columns of a table, and their scores against measured values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed
from georaster_dl.spectra.methods.class_limits import class_membership
from georaster_dl.spectra.methods.domain import unlike_calibration
from georaster_dl.spectra.package.model import SpectralModel
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.table.censored import Below
from georaster_dl.spectra.table.files import read_raw
from georaster_dl.spectra.table.resample import aligned, resampled
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.table.unit_check import other_size

__all__ = [
    "CLASS_PREDICTED",
    "PredictedValues",
    "predicted_classes",
    "predicted_table",
    "predicted_values",
    "read_predictions",
]

CLASS_PREDICTED = "class_predicted"
_LOWER = re.compile(r"(.+)_lower(_\d+(?:\.\d+)?)?")  # former versions wrote no level

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PredictedValues:
    """Predicted beside measured values.

    Attributes
    ----------
    measured, predicted : (n,).
    lower, upper : (n,) ends of the intervals, None where there are none.
    level : share of values that the intervals are meant to hold, 0..1; None where that is not known.
    scores : of these.
    within : share of the measured values within their intervals, None where there are none.
    """

    name: str
    measured: _Floats = field(repr=False)
    predicted: _Floats = field(repr=False)
    lower: _Floats | None = field(repr=False)
    upper: _Floats | None = field(repr=False)
    level: float | None
    scores: ValueScores
    within: float | None


def predicted_table(
    model: SpectralModel, table: SpectraTable, *, resample: bool = False
) -> SpectraTable:
    """Add the predictions of a model to a table, as columns.

    Of a value they are ``NAME_predicted`` and, where the card has its interval, the interval's ends
    with its level in percent, ``NAME_lower_90`` and ``NAME_upper_90``; of classes ``class_predicted``, its ``probability``, and ``p_CLASS`` of each.
    Behind them, where the card has class limits, those of ``methods.class_limits.ClassMembership``, and where it has a domain, those of ``methods.domain.UnlikeCalibration``.

    Parameters
    ----------
    model : as ``package.file.load_spectral_model`` gives it.
    resample : bring the spectra to the model's wavelengths where they have others.

    Returns
    -------
    The table; its ``repairs`` also say that spectra have another size than the model's, percent for example, and how
    many are within the limits of no class, and unlike the calibration.

    Raises
    ------
    OptionError
        When the wavelengths are not the model's, or the table has such columns already.
    """
    align = resampled if resample else aligned
    fitting = align(table, model.wavelengths_nm)
    preprocessed = model.preprocessing.transform_or_nan(fitting.spectra)
    size = other_size(preprocessed, model.mean, model.std)
    if size is not None:
        fitting = replace(fitting, repairs=(*fitting.repairs, f"{table.name}: {size}."))
    columns: dict[str, npt.NDArray[Any]] = (
        _values(model, fitting) if model.card.targets else _classes(model, fitting)
    )
    membership = class_membership(model.class_limits, preprocessed)
    if membership is not None:
        columns |= membership.columns()
        if membership.of_none:
            fitting = replace(
                fitting, repairs=(*fitting.repairs, f"{table.name}: {membership.text}.")
            )
    if model.card.domain is not None:
        unlike = unlike_calibration(model.card.domain, preprocessed)
        columns |= unlike.columns()
        if unlike.count:
            fitting = replace(fitting, repairs=(*fitting.repairs, f"{table.name}: {unlike.text}."))
    taken = [name for name in columns if name in table.columns]
    if taken:
        raise OptionError(
            f"{table.name} has columns already that predictions would get ({listed(taken)}); rename them."
        )
    return replace(fitting, columns=fitting.columns.assign(**columns))


def _values(model: SpectralModel, table: SpectraTable) -> dict[str, _Floats]:
    values, spread = model.predict(table.spectra, return_std=True)
    columns: dict[str, _Floats] = {}
    for i, target in enumerate(model.card.targets):
        interval = target.interval
        columns[f"{target.name}_predicted"] = values[:, i]
        if interval is not None:
            half = interval.half_width(spread[:, i])
            ends = {"lower": values[:, i] - half, "upper": values[:, i] + half}
            for end, bound in ends.items():
                within = bound.clip(0, 1) if model.card.task == "fractions" else bound
                columns[f"{target.name}_{end}_{100 * interval.level:g}"] = within
    return columns


def _classes(model: SpectralModel, table: SpectraTable) -> dict[str, npt.NDArray[Any]]:
    shares = model.predict_proba(table.spectra)
    return {
        CLASS_PREDICTED: model.classes[shares.argmax(axis=1)],
        "probability": shares.max(axis=1),
        **{f"p_{name}": shares[:, i] for i, name in enumerate(model.classes)},
    }


def read_predictions(path: Path, below: Below = "error") -> SpectraTable:
    """Read a table of which only the columns matter; it needs no spectra.

    Parameters
    ----------
    below : what measured values below a limit count as, as ``SpectraOptions`` takes it.

    Raises
    ------
    OptionError
        When it cannot be read.
    """
    raw = read_raw(path)
    columns = raw.frame.set_axis(list(raw.headers), axis=1).reset_index(drop=True)
    return SpectraTable(
        path.stem, np.empty(0), np.empty((len(columns), 0)), columns, raw.repairs, raw.comma, below,
        raw.frame.index.to_numpy(),
    )  # fmt: skip


def predicted_values(table: SpectraTable, names: Sequence[str]) -> list[PredictedValues]:
    """Score the predicted against the measured values of a table.

    Parameters
    ----------
    names : columns of measured values.

    Raises
    ------
    OptionError
        When a column or its prediction is missing, or no row has both.
    """
    return [_scored(table, name) for name in names]


def _scored(table: SpectraTable, name: str) -> PredictedValues:
    measured, predicted = table.target(name), table.target(f"{name}_predicted")
    scores = ValueScores.of(predicted, measured)
    if not scores.n:
        raise OptionError(
            f"No row of {table.name} has both {name!r} and {name + '_predicted'!r}; nothing can be compared."
        )
    lower_columns = [
        m for column in table.columns if (m := _LOWER.fullmatch(column)) and m[1] == name
    ]
    if not lower_columns:
        return PredictedValues(name, measured, predicted, None, None, None, scores, None)
    end = lower_columns[0][2] or ""
    level = float(end.removeprefix("_")) / 100 if end else None
    lower, upper = table.target(f"{name}_lower{end}"), table.target(f"{name}_upper{end}")
    known = np.isfinite(measured) & np.isfinite(predicted)
    within = ((measured >= lower) & (measured <= upper))[known].mean()
    return PredictedValues(name, measured, predicted, lower, upper, level, scores, float(within))


def predicted_classes(table: SpectraTable, name: str) -> ClassScores:
    """Score predicted classes beside those of a column; raises as ``predicted_values``."""
    scores = ClassScores.of(table.classes(CLASS_PREDICTED), table.classes(name))
    if not scores.n:
        raise OptionError(
            f"No row of {table.name} has both {name!r} and {CLASS_PREDICTED!r}; nothing can be compared."
        )
    return scores
