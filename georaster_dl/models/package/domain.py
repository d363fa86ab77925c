"""Score space of a calibration on a card, with the limits of ordinary spectra."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from georaster_dl.models.package.limits import FilePart

__all__ = ["MOST_COMPONENTS", "MOST_NEIGHBOURS", "CalibrationDomain"]

MOST_COMPONENTS = 30
MOST_NEIGHBOURS = 1000
"""Calibration spectra that are kept at most, as scores."""
_MOST_BANDS = 2048

_Floats = npt.NDArray[np.float64]
_Number = Annotated[float, Field(ge=-1e18, le=1e18)]
_Positive = Annotated[float, Field(gt=0, le=1e18)]
_Loadings = Annotated[tuple[_Number, ...], Field(max_length=MOST_COMPONENTS * _MOST_BANDS)]
_Limits = tuple[_Positive, _Positive]


class CalibrationDomain(FilePart):
    """PLS score space of the calibration spectra, as they were preprocessed, with limits of 95 and 99 %.

    Attributes
    ----------
    spectra : number of calibration spectra.
    mean, deviations : of each band; variances and standard deviations are divided by n - 1.
    rotations, loadings : of each component and band, one component after the other: from spectra to
        scores, and from scores to spectra.
    score_variances : of each component.
    y_loadings : of each target (or class indicator) and component, one target after the other, in units of
        the target.
    neighbours : scores of at most 1,000 calibration spectra, each score divided by its standard deviation,
        one spectrum after the other.
    t2_limits, q_limits, distance_limits : what 95 and 99 % of ordinary spectra stay below.
    """

    spectra: Annotated[int, Field(ge=2, le=10**9)]
    mean: Annotated[tuple[_Number, ...], Field(min_length=1, max_length=_MOST_BANDS)]
    deviations: Annotated[tuple[_Number, ...], Field(max_length=_MOST_BANDS)]
    rotations: _Loadings
    loadings: _Loadings
    score_variances: Annotated[
        tuple[_Positive, ...], Field(min_length=1, max_length=MOST_COMPONENTS)
    ]
    y_loadings: Annotated[tuple[_Number, ...], Field(max_length=1024 * MOST_COMPONENTS)]
    neighbours: Annotated[tuple[_Number, ...], Field(max_length=MOST_COMPONENTS * MOST_NEIGHBOURS)]
    t2_limits: _Limits
    q_limits: _Limits
    distance_limits: _Limits

    @model_validator(mode="after")
    def _is_space(self) -> Self:
        bands, components = len(self.mean), self.n_components
        for name in ("rotations", "loadings"):
            if len(getattr(self, name)) != bands * components:
                raise ValueError(
                    f"{name} of {components} components of {bands} bands are {bands * components} numbers, "
                    f"but there are {len(getattr(self, name))}"
                )
        if len(self.deviations) != bands:
            raise ValueError(f"deviations are of {len(self.deviations)} bands, but mean of {bands}")
        for name in ("neighbours", "y_loadings"):
            if not getattr(self, name) or len(getattr(self, name)) % components:
                raise ValueError(f"{name} must be whole rows of {components} numbers")
        return self

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.score_variances)

    @property
    def leverage_limit(self) -> float:
        """Leverage above which a spectrum is an outlier: 3 (components + 1) / spectra (ASTM E1655)."""
        return 3 * (self.n_components + 1) / self.spectra

    def by_band(self, name: str) -> _Floats:
        """``rotations`` or ``loadings`` as an array (bands, components)."""
        return np.reshape(getattr(self, name), (self.n_components, -1)).T

    def by_component(self, name: str) -> _Floats:
        """``neighbours`` or ``y_loadings`` as an array (spectra or targets, components)."""
        return np.reshape(getattr(self, name), (-1, self.n_components))
