"""Use of simulated spectra for models, which real spectra test."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.methods.baselines import baseline
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.scoring.scores import macro_f1

__all__ = ["A_CLASS", "Gain", "Learner"]

_Floats = npt.NDArray[np.float64]

A_CLASS = " a class"
"""End of the label of a gain that is with as many real spectra of each class."""

_COST = 100.0
_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Gain:
    """Scores of models with and without simulated spectra, on the same real spectra.

    Attributes
    ----------
    label : how many real spectra there were, in words.
    alone, both : (draws,) scores on held-out real spectra, of models of real spectra, and of these with simulated ones.
    overlap : number of spectra that test by that of those that learn, where draws share most of the latter; else 0.
    refused : why there is none; empty where there is.
    """

    label: str
    alone: _Floats = field(default_factory=lambda: np.empty(0), repr=False)
    both: _Floats = field(default_factory=lambda: np.empty(0), repr=False)
    overlap: float = 0.0
    refused: str = ""

    @property
    def mean(self) -> float:
        """Mean gain of score."""
        return float((self.both - self.alone).mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean gain, by Student's t of the draws; corrected where these overlap (Nadeau & Bengio 2003)."""
        from scipy.stats import t

        gains = self.both - self.alone
        if len(gains) < 2:
            return -math.inf, math.inf
        error = float(gains.std(ddof=1)) * math.sqrt(1 / len(gains) + self.overlap)
        half = float(t.ppf((1 + _LEVEL) / 2, len(gains) - 1)) * error
        return self.mean - half, self.mean + half


@dataclass(frozen=True, eq=False)
class Learner:
    """Model by which the use of spectra is measured: a support vector machine of fixed settings, C = 100 and gamma = 1 / bands.

    Settings that were searched would differ by what is learnt from, and near copies in the folds of a search would be
    no test of them.

    Attributes
    ----------
    preprocessing : steps of ``Preprocessing``.
    scale : (columns,) standard deviations of real values, by which their errors count; empty of classes.
    """

    preprocessing: str
    scale: _Floats = field(default_factory=lambda: np.empty(0), repr=False)

    @property
    def score_name(self) -> str:
        """Name of the score, of which more is better."""
        return "R²" if self.scale.size else "macro F1"

    def score(
        self, learnt: _Floats, target: npt.NDArray[Any], held: _Floats, truth: npt.NDArray[Any]
    ) -> float:
        """Fit to spectra (n, bands) with targets (n,) or (n, columns), and score on held-out spectra.

        Of several columns R² is 1 less the mean of their squared errors by that of their squared deviations.
        """
        chain = Preprocessing(self.preprocessing).fit(learnt)
        known, new = chain.transform(learnt), chain.transform(held)
        settings = {"C": _COST, "gamma": 1 / learnt.shape[1]}
        if not self.scale.size:
            machine = baseline("svm", "classification", settings)
            said = machine.fit(known, target.astype(str)).predict(new)
            return float(macro_f1(said, truth.astype(str)))
        predicted = np.column_stack(
            [
                baseline("svm", "regression", settings).fit(known, column).predict(new)
                for column in target.T
            ]
        )
        errors, deviations = (
            (each / self.scale) ** 2 for each in (predicted - truth, truth - truth.mean(axis=0))
        )
        return float(1 - errors.sum() / deviations.sum())
