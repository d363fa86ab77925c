"""Start of networks with a linear path: PLS of each target, or of the indicators of classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.methods.estimators import PLSRegressor
from georaster_dl.spectra.methods.fitted import sharpness_of
from georaster_dl.spectra.scoring.folds import cross_validation

__all__ = ["LinearStart"]

_MOST_COMPONENTS = 25
_FOLDS = 5

_Floats = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LinearStart:
    """PLS of spectra, with the numbers of latent variables that cross-validation chose.

    Attributes
    ----------
    spectra : (n, bands), preprocessed and normalised.
    spread : (bands,) by which they were divided.
    targets : (n, planes) values, NaN where not known, or indicators of classes.
    components : number of latent variables of each plane, of the least RMSECV.
    sharpness : factor on the indicators of classes, as of ``FittedMethod``; 1 of values.
    """

    spectra: _Floats = field(repr=False)
    spread: _Floats = field(repr=False)
    targets: _Floats = field(repr=False)
    components: tuple[int, ...]
    sharpness: float = 1.0

    @classmethod
    def choose(
        cls,
        spectra: _Floats,
        spread: _Floats,
        targets: npt.NDArray[Any],
        planes: int,
        held_out: _Mask,
        learnt: _Mask | None = None,
    ) -> LinearStart:
        """Choose the numbers of latent variables by the folds in which networks choose their epochs.

        Parameters
        ----------
        spectra : (n, bands), preprocessed and normalised.
        spread : (bands,) by which they were divided; PLS is not scaled.
        targets : (n,) class numbers, or (n, planes) values, NaN where not known.
        held_out, learnt : (parts, n) spectra of each part that are predicted, and by which, all others when None; where none is
            predicted, five folds are drawn.
        """
        plain = spectra * spread
        of_classes = targets.ndim == 1
        wanted = np.eye(planes)[targets] if of_classes else targets
        filled = held_out.any(axis=1)
        folds, others = held_out[filled], (~held_out if learnt is None else learnt)[filled]
        if not len(folds):
            n = min(_FOLDS, len(spectra))
            drawn = cross_validation(len(spectra), n, groups=None, classes=None, seed=0)
            folds = np.stack([np.isin(np.arange(len(spectra)), rest) for _, rest in drawn])
            others = ~folds
        most = max(1, min(_MOST_COMPONENTS, others.sum(axis=1).min() - 1))
        predicted = np.concatenate(
            [
                _predicted(plain[other], wanted[other], plain[fold], most)
                for fold, other in zip(folds, others, strict=True)
            ],
            axis=1,
        )
        measured = np.concatenate([wanted[fold] for fold in folds])
        best = np.nansum((predicted - measured) ** 2, axis=1).argmin(axis=0)
        chosen = tuple(int(number) + 1 for number in best)
        if not of_classes:
            return cls(spectra, spread, wanted, chosen)
        indicators = np.take_along_axis(predicted, best[None, None], axis=0)[0]
        return cls(
            spectra, spread, wanted, chosen, sharpness_of(indicators, measured.argmax(axis=1))
        )

    def fit(self, rows: _Mask) -> tuple[_Floats, _Floats]:
        """Fit to the spectra of a mask (n,): coefficients (planes, bands) of normalised spectra, and intercepts (planes,)."""
        probes = np.concatenate([np.zeros((1, len(self.spread))), np.diag(self.spread)])
        plain = self.spectra[rows] * self.spread
        found = [
            _predicted(plain, self.targets[rows, i : i + 1], probes, n)[-1, :, 0]
            for i, n in enumerate(self.components)
        ]
        at_zero, at_one = np.stack(found)[:, 0], np.stack(found)[:, 1:]
        return self.sharpness * (at_one - at_zero[:, None]), self.sharpness * at_zero


def _predicted(spectra: _Floats, targets: _Floats, others: _Floats, most: int) -> _Floats:
    """(most, others, planes) predictions with 1, 2, ... latent variables; a constant target stays so."""
    return np.stack([_of_plane(spectra, column, others, most) for column in targets.T], axis=2)


def _of_plane(spectra: _Floats, target: _Floats, others: _Floats, most: int) -> _Floats:
    known = ~np.isnan(target)
    if len(np.unique(target[known])) < 2:
        return np.full((most, len(others)), target[known].mean() if known.any() else 0.0)
    model = PLSRegressor(most).fit(spectra[known], target[known])
    return np.asarray(model.predict_all(others)[:, :, 0])
