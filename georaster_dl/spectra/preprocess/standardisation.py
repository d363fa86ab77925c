"""Spectra of one instrument as another would have measured them."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from georaster_dl.core.errors import OptionError

__all__ = ["MOST_RANK", "DirectStandardisation", "PiecewiseStandardisation"]

_Floats = npt.NDArray[np.float64]

MOST_RANK = 40
"""Of a direct standardisation, whose matrix a card has to hold."""


class _Standardisation(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Standardisation of spectra by samples of two instruments."""

    offset_: _Floats

    def fit(self, X: npt.ArrayLike, y: Any = None) -> NoReturn:  # noqa: N803 - scikit-learn's name
        """Refuse to learn from the spectra of one instrument."""
        raise OptionError(
            "ds and pds are learnt from the same samples on two instruments, and only for a model that exists; leave them "
            "out here, and use `geodl spectra transfer` after training."
        )


class DirectStandardisation(_Standardisation):
    """x L R + offset: each band from all bands (Wang, Veltkamp & Kowalski 1991).

    Parameters
    ----------
    rank : of the matrix.

    Attributes
    ----------
    left_, right_ : (bands, rank) and (rank, bands).
    offset_ : (bands,).
    """

    left_: _Floats
    right_: _Floats

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def shapes(self, bands: int) -> dict[str, tuple[int, ...]]:
        """Give the shapes of the learnt arrays, for spectra of so many bands."""
        return {
            "left_": (bands, self.rank),
            "right_": (self.rank, bands),
            "offset_": (bands,),
        }

    def transform(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Transform spectra (n, bands)."""
        return np.asarray((np.asarray(X) @ self.left_) @ self.right_ + self.offset_)


class PiecewiseStandardisation(_Standardisation):
    """Each band from those around it (Wang, Veltkamp & Kowalski 1991).

    Parameters
    ----------
    window : bands on each side.

    Attributes
    ----------
    coefficients_ : (bands, 2 window + 1) of the bands around each; 0 beyond the spectrum's ends.
    offset_ : (bands,).
    """

    coefficients_: _Floats

    def __init__(self, window: int) -> None:
        self.window = window

    def shapes(self, bands: int) -> dict[str, tuple[int, ...]]:
        """Give the shapes of the learnt arrays, for spectra of so many bands."""
        return {"coefficients_": (bands, 2 * self.window + 1), "offset_": (bands,)}

    def transform(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Transform spectra (n, bands)."""
        spectra = np.asarray(X, np.float64)
        padded = np.pad(spectra, ((0, 0), (self.window, self.window)))
        around = np.lib.stride_tricks.sliding_window_view(padded, 2 * self.window + 1, axis=1)
        return np.asarray(np.einsum("nbw,bw->nb", around, self.coefficients_) + self.offset_)
