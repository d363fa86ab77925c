"""External parameter orthogonalisation, learnt from several spectra of each sample."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted

__all__ = ["ExternalParameterOrthogonalisation"]

_Floats = npt.NDArray[np.float64]

_NO_DIFFERENCE = 1e-10  # of the norm of the spectra; less is rounding


class ExternalParameterOrthogonalisation(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """x (I - V V'): spectra without the directions V in which those of one sample differ most.

    Roger, Chauchard & Bellon-Maurel 2003; V are the first right singular vectors of each spectrum less its
    sample's mean.

    Parameters
    ----------
    directions : that are taken away.

    Attributes
    ----------
    directions_ : V (bands, directions), orthonormal.
    """

    directions_: _Floats

    def __init__(self, directions: int) -> None:
        self.directions = directions

    def shapes(self, bands: int) -> dict[str, tuple[int, ...]]:
        """Give the shapes of the learnt arrays, for spectra of so many bands."""
        return {"directions_": (bands, self.directions)}

    def fit(
        self,
        X: npt.ArrayLike,  # noqa: N803 - scikit-learn's name
        y: Any = None,
        *,
        groups: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn from spectra (n, bands) of samples ``groups`` (n,); a spectrum without a sample teaches nothing.

        Raises
        ------
        OptionError
            When there are no samples, or their spectra differ in fewer directions.
        """
        if groups is None:
            raise OptionError(
                f"epo({self.directions}) learns how spectra of one sample differ, but nothing says which spectra are of "
                f"one sample; name their column with `group_column=`, or give the groups to `fit`, or leave epo out."
            )
        spectra = np.asarray(X, np.float64)
        samples = pd.factorize(np.asarray(groups, object))[0]
        table = pd.DataFrame(spectra[samples >= 0])
        differences = table - table.groupby(samples[samples >= 0]).transform("mean")
        _, sizes, directions = np.linalg.svd(differences.to_numpy(), full_matrices=False)
        found = int((sizes > _NO_DIFFERENCE * np.linalg.norm(spectra)).sum())
        if found < self.directions or self.directions >= spectra.shape[1]:
            raise OptionError(
                f"epo({self.directions}) takes {counted(self.directions, 'direction')} away in which spectra of one sample "
                f"differ, but those of {counted(len(set(samples)), 'sample')}, {counted(len(spectra), 'spectrum')} of "
                f"{counted(spectra.shape[1], 'band')}, differ in {found}; take fewer, or measure more samples twice or "
                f"more under other conditions (`group_column=` names the samples)."
            )
        self.directions_ = directions[: self.directions].T
        return self

    def transform(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Transform spectra (n, bands)."""
        spectra = np.asarray(X, np.float64)
        return np.asarray(spectra - (spectra @ self.directions_) @ self.directions_.T)
