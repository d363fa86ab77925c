"""Spaces of classes of spectra on a card, with the distances that their members stay within."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from georaster_dl.models.package.limits import FilePart, Share

__all__ = ["MOST_OF_CLASS", "ClassLimits"]

MOST_OF_CLASS = 10
"""Principal components of a class that are kept at most."""
_MOST_BANDS = 2048

_Number = Annotated[float, Field(ge=-1e18, le=1e18)]
_Positive = Annotated[float, Field(gt=0, le=1e18)]
_Degrees = Annotated[int, Field(ge=1, le=250)]


class ClassLimits(FilePart):
    """Principal components of one class's training spectra, as they were preprocessed, with its limits.

    The distance of a spectrum from the class is ``degrees[0] h / scales[0] + degrees[1] q / scales[1]``, of its
    scores distance h and its orthogonal distance q (Pomerantsev & Rodionova 2014).

    Attributes
    ----------
    spectra : number of training spectra of the class.
    accepted : share of them, 0..1, within the limit of 95 % in cross-validation.
    mean : of each band.
    loadings : of each component and band, one component after the other.
    score_variances : of each component.
    scales, degrees : means of h and q over the training spectra in cross-validation, and degrees of freedom.
    limits : quantiles of 95 and 99 % of chi-squared of all degrees, below which 95 and 99 % of members stay.
    """

    spectra: Annotated[int, Field(ge=2, le=10**9)]
    accepted: Share
    mean: Annotated[tuple[_Number, ...], Field(min_length=1, max_length=_MOST_BANDS)]
    loadings: Annotated[tuple[_Number, ...], Field(max_length=MOST_OF_CLASS * _MOST_BANDS)]
    score_variances: Annotated[tuple[_Positive, ...], Field(min_length=1, max_length=MOST_OF_CLASS)]
    scales: tuple[_Positive, _Positive]
    degrees: tuple[_Degrees, _Degrees]
    limits: tuple[_Positive, _Positive]

    @model_validator(mode="after")
    def _is_space(self) -> Self:
        bands, components = len(self.mean), self.n_components
        if len(self.loadings) != bands * components:
            raise ValueError(
                f"loadings of {components} components of {bands} bands are {bands * components} numbers, "
                f"but there are {len(self.loadings)}"
            )
        return self

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.score_variances)

    @property
    def components(self) -> npt.NDArray[np.float64]:
        """``loadings`` as an array (components, bands)."""
        return np.reshape(self.loadings, (self.n_components, -1))
