"""Parts of a card about novel pixels and absent bands."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from georaster_dl.models.package.limits import FilePart, Line, Share, Value, Word

__all__ = ["MOST_BANDS", "AbsentBands", "NoveltyStatistics"]

MOST_BANDS = 16
"""Bands of which statistics are kept; an imaging spectrometer's are spread over its range."""
_MOST_CLUSTERS = 64
_MOST_NUMBERS = _MOST_CLUSTERS * MOST_BANDS * (MOST_BANDS + 1) // 2

_Positive = Annotated[float, Field(gt=0, le=1e9)]


class AbsentBands(FilePart):
    """Figure of a model of optional bands without some of them.

    Attributes
    ----------
    bands : that are absent together.
    figure : in words, such as ``macro F1 on validation places``.
    whole, without : the figure with all bands, and without these; shares of 1.
    worst : classes that lose most, in words; empty where none stands out.
    """

    bands: Annotated[tuple[Word, ...], Field(min_length=1, max_length=64)]
    figure: Word
    whole: Share
    without: Share
    worst: Line = ""


class NoveltyStatistics(FilePart):
    """Gaussian mixture of a model's training pixels, and limits from validation pixels.

    Attributes
    ----------
    bands : names of bands of the card, in its order; at most 16.
    weights : of each cluster.
    means : of each cluster and band, one cluster after the other, in physical units.
    covariances : of each cluster the lower triangle row by row, one cluster after the other.
    threshold : distance from the training that 1 % of ordinary pixels exceed, over the distance that
        1 % of the mixture's own exceed.
    share : of a scene's pixels beyond that distance, above which the scene is unlike the training.
    margin : by how much a scene must fit better with a fault undone for the fault to be named.
    """

    bands: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MOST_BANDS)]
    weights: Annotated[tuple[_Positive, ...], Field(min_length=1, max_length=_MOST_CLUSTERS)]
    means: Annotated[tuple[Value, ...], Field(max_length=_MOST_CLUSTERS * MOST_BANDS)]
    covariances: Annotated[
        tuple[Annotated[float, Field(ge=-1e18, le=1e18)], ...], Field(max_length=_MOST_NUMBERS)
    ]
    threshold: _Positive = 1.0
    share: Share = 0.1
    margin: Annotated[float, Field(ge=0, le=1e9)] = 2.0

    @model_validator(mode="after")
    def _is_mixture(self) -> Self:
        clusters, bands = len(self.weights), len(self.bands)
        wanted = clusters * bands, clusters * bands * (bands + 1) // 2
        if (len(self.means), len(self.covariances)) != wanted:
            raise ValueError(
                f"novelty of {clusters} clusters of {bands} bands needs {wanted[0]} means and {wanted[1]} "
                f"covariances, but has {len(self.means)} and {len(self.covariances)}"
            )
        try:
            np.linalg.cholesky(self.covariance_matrices())
        except np.linalg.LinAlgError:
            raise ValueError("novelty has covariances that are not positive definite") from None
        return self

    def covariance_matrices(self) -> npt.NDArray[np.float64]:
        """Covariances (clusters, bands, bands)."""
        clusters, bands = len(self.weights), len(self.bands)
        rows, cols = np.tril_indices(bands)
        matrices = np.empty((clusters, bands, bands))
        matrices[:, rows, cols] = np.reshape(self.covariances, (clusters, -1))
        matrices[:, cols, rows] = matrices[:, rows, cols]
        return matrices
