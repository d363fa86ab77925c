"""Wavelengths that a PLS rests on: coefficients, variable importance (VIP) and selectivity ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.domain import CalibrationDomain

__all__ = [
    "BandImportance",
    "band_importance",
    "importance_of",
    "important_ranges",
    "selectivity_ratio",
    "vip",
]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BandImportance:
    """Weights of the bands in a PLS, (bands,) each, of one target or class.

    Attributes
    ----------
    name : of the target or class.
    coefficients : change of the target, in its unit, with the preprocessed value of a band; of a class, of its
        score, whose softmax is the probability.
    vip : variable importance in projection; their mean square is 1.
    selectivity_ratio : explained over residual variance of each band in the target's projection.
    """

    name: str
    coefficients: _Floats = field(repr=False)
    vip: _Floats = field(repr=False)
    selectivity_ratio: _Floats = field(repr=False)


def band_importance(
    card: Card, coefficients: npt.NDArray[np.floating] | None
) -> list[BandImportance]:
    """Explain a PLS by its bands, for each target or class.

    VIP and selectivity ratio are those of the PLS of the card's domain: of one target the model's own, of several, and of
    classes, a PLS of all together.

    Parameters
    ----------
    card : of a PLS with a domain.
    coefficients : (planes, bands) of normalised spectra, as the network of a PLS holds them; None of others.

    Raises
    ------
    OptionError
        When the card is of another method, or does not describe the calibration.
    """
    if card.architecture.name != "pls" or coefficients is None:
        raise OptionError(
            f"{card.name} is no PLS but {card.architecture.name}, which has no coefficients of bands; train a "
            f"PLS on the same table to see what it rests on."
        )
    if card.domain is None:
        raise OptionError(
            f"{card.name} does not hold the scores of its calibration that this needs; train it again with this version."
        )
    names = [target.name for target in card.targets] or list(card.legend.names)
    units = np.array([target.std for target in card.targets] or np.ones(len(names)))
    of_values = coefficients.astype(np.float64) / np.array([band.std for band in card.bands])
    return [
        BandImportance(
            name, of_values[i] * units[i], vip(card.domain, i), selectivity_ratio(card.domain, i)
        )
        for i, name in enumerate(names)
    ]


def importance_of(card: Card, found: Sequence[BandImportance]) -> str:
    """Name the PLS that VIP and selectivity ratio are of where it is not the model's own, else empty.

    It is ``all targets`` or ``all classes`` where the model is of several, and ``all bands`` where the model left
    some out.
    """
    parts = []
    if len(found) > 1:
        parts.append("all targets" if card.targets else "all classes")
    if any((each.coefficients == 0).any() for each in found):
        parts.append("all bands")
    return " and ".join(parts)


def important_ranges(
    importance: BandImportance, wavelengths_nm: _Floats
) -> list[tuple[float, float]]:
    """Ranges of wavelengths (first, last), in nm, of neighbouring bands whose VIP is above 1."""
    above = np.flatnonzero(importance.vip > 1)
    runs = np.split(above, np.flatnonzero(np.diff(above) > 1) + 1) if above.size else []
    return [(float(wavelengths_nm[run[0]]), float(wavelengths_nm[run[-1]])) for run in runs]


def vip(domain: CalibrationDomain, target: int = 0) -> _Floats:
    """Variable importance in projection (bands,) for a target, by its number (Wold et al. 1993)."""
    # Rotations are weights times a triangular matrix, so that their QR decomposition has the weights.
    weights = np.linalg.qr(domain.by_band("rotations"))[0]
    explained = domain.by_component("y_loadings")[target] ** 2 * np.array(domain.score_variances)
    return np.asarray(np.sqrt(len(weights) * (weights**2 @ explained) / explained.sum()))


def selectivity_ratio(domain: CalibrationDomain, target: int = 0) -> _Floats:
    """Explained over residual variance (bands,) in the target projection (Kvalheim & Karstang 1989)."""
    along = domain.by_component("y_loadings")[target]
    direction = domain.by_band("rotations") @ along
    # X'X b = P T'T q, as the scores of a PLS are X b's and P their regression on X.
    covariance = domain.by_band("loadings") @ (np.array(domain.score_variances) * along)
    explained = covariance**2 / (covariance @ direction)
    total = np.array(domain.deviations) ** 2
    left = np.maximum(total - explained, 1e-12 * total)
    return np.asarray(np.divide(explained, left, out=np.zeros_like(left), where=left > 0))
