"""How far the truth may be from a prediction, by how far it was on spectra that were set aside."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.models.package.values import Interval

__all__ = ["fewest_for", "fit_interval", "fit_interval_out_of_fold"]

_Floats = npt.NDArray[np.float64]


def fewest_for(level: float) -> int:
    """How many spectra an interval of this level needs to be fitted on."""
    return math.ceil(level / (1 - level) - 1e-9)


def fit_interval(
    predicted: _Floats, spread: _Floats, reference: _Floats, level: float = 0.9
) -> Interval:
    """Fit an interval by split-conformal prediction, normalised by spread (Lei et al. 2018).

    Errors in units of sqrt(spread^2 + floor^2) are ranked; the one of rank (n + 1) * level is the
    factor, so a new value lies within with a probability of ``level`` or more, whatever the network.
    The floor is the root mean square of the spreads; where there is none, of the errors.

    Parameters
    ----------
    predicted, spread, reference : (n,) of spectra that no network learnt from; NaN in the reference
        where it is not known.
    level : above 0 and below 1.

    Raises
    ------
    OptionError
        When the level is no such share, or there are too few spectra for it.
    """
    if not 0 < level < 1:
        raise OptionError(f"The level of an interval lies between 0 and 1, but is {level}.")
    known = ~np.isnan(reference)
    errors, spread = np.abs(predicted - reference)[known], spread[known]
    n = len(errors)
    if n < fewest_for(level):
        raise OptionError(
            f"An interval of level {level:g} needs {counted(fewest_for(level), 'spectrum')} with a known value that were set "
            f"aside, but got {n}; set more aside, or lower the level."
        )
    floor = math.sqrt(np.mean(spread**2)) or math.sqrt(np.mean(errors**2)) or 1.0
    rank = math.ceil((n + 1) * level - 1e-9)
    factor = np.sort(errors / np.hypot(spread, floor))[rank - 1]
    return Interval(level, float(factor), floor)


def fit_interval_out_of_fold(
    predicted: _Floats, reference: _Floats, level: float = 0.9
) -> Interval:
    """Fit an interval by the errors of cross-validation, so that no spectrum is set aside for it.

    Half of it is the error of rank (n + 1) * level: the jackknife of Barber et al. 2021, with folds, whose
    centre is the prediction of the model of all spectra where theirs (CV+) is those of the folds' models.
    It holds where a model of all spectra errs as models of the folds do.

    Parameters
    ----------
    predicted : (repeats, n) of spectra by folds without them.
    reference : (n,), NaN where it is not known.
    level : above 0 and below 1.

    Raises
    ------
    OptionError
        When there are too few spectra for the level.
    """
    known = ~np.isnan(reference)
    errors, n = np.abs(predicted - reference)[:, known], int(known.sum())
    if n < fewest_for(level):
        raise OptionError(
            f"An interval of level {level:g} needs {counted(fewest_for(level), 'spectrum')} with a known value, but got {n}; "
            f"give more, or lower the level."
        )
    floor = math.sqrt(np.mean(errors**2)) or 1.0
    rank = math.ceil((n + 1) * level - 1e-9) * len(errors)
    return Interval(level, float(np.sort(errors, axis=None)[rank - 1] / floor), floor)
