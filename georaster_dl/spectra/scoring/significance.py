"""Paired tests between methods on the same spectra, corrected for how many are compared."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PairedTest", "errors_of", "holm", "paired_tests"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairedTest:
    """Test of whether two methods err alike.

    Attributes
    ----------
    first, second : names of the methods, of which the first errs less on the mean.
    p : of the two-sided test, corrected for all pairs.
    n : samples.
    """

    first: str
    second: str
    p: float
    n: int


def errors_of(
    predicted: npt.NDArray[Any], measured: npt.NDArray[Any], samples: npt.NDArray[np.intp]
) -> _Floats:
    """(samples,) mean squared errors of values, or shares of wrong classes, over seeds and replicates.

    Parameters
    ----------
    predicted : (seeds, n).
    measured : (n,).
    samples : (n,) number of the sample of each spectrum; replicates are no units of their own.
    """
    if measured.dtype == object:
        errors = (predicted != measured).mean(axis=0)
    else:
        errors = ((predicted - measured) ** 2).mean(axis=0)
    numbers = np.unique(samples, return_inverse=True)[1]
    return np.asarray(np.bincount(numbers, errors) / np.bincount(numbers))


def paired_tests(errors: Mapping[str, _Floats]) -> list[PairedTest]:
    """Test all pairs of methods by Wilcoxon's signed ranks of their samples' errors, corrected by Holm 1979.

    The unit is the sample, so the test asks whether the methods as they were fitted differ on such samples,
    not whether they would if they learnt from others (Dietterich 1998).

    Parameters
    ----------
    errors : (samples,) of each method, as ``errors_of`` gives them, on the same samples.
    """
    from scipy.stats import wilcoxon

    pairs = []
    for names in itertools.combinations(errors, 2):
        first, second = sorted(names, key=lambda name: errors[name].mean())
        apart = errors[first] - errors[second]
        # Where all differences are 0 there are no ranks.
        p = float(wilcoxon(apart).pvalue) if apart.any() else 1.0
        pairs.append((first, second, p, len(apart)))
    corrected = holm([p for *_, p, _ in pairs])
    return [
        PairedTest(first, second, float(p), n)
        for (first, second, _, n), p in zip(pairs, corrected, strict=True)
    ]


def holm(p: npt.ArrayLike) -> _Floats:
    """Correct p values (m,) for their number, step by step from the least (Holm 1979)."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
