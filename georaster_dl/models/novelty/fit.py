"""Novelty statistics of training pixels, with limits from validation pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from georaster_dl.models.novelty.causes import evidence
from georaster_dl.models.novelty.detector import Detector
from georaster_dl.models.novelty.mixture import Mixture, fit_mixture
from georaster_dl.models.package.novelty import MOST_BANDS, NoveltyStatistics

__all__ = ["fit_novelty"]

Pixels = npt.NDArray[np.floating]

_CLUSTERS = 8  # 16 are no better: docs/benchmarks.md
_MOST_PIXELS = 60_000  # that the mixture is fitted to
_MOST_HELD_OUT = 2000  # pixels of a group
_FOR_MARGIN = 500  # of these
_LEAST_SHARE, _MOST_SHARE = 0.10, 0.25
_LEAST_MARGIN = 2.0  # "positive" evidence begins there (Kass and Raftery 1995)
_ORDINARY = 0.95  # of the groups kept aside must not be warned of
_DIGITS = 6


def fit_novelty(
    bands: Sequence[str],
    training: Sequence[Pixels],
    held_out: Sequence[Pixels],
    *,
    quantity: str = "reflectance",
    seed: int = 0,
) -> NoveltyStatistics:
    """Fit the novelty statistics of a model to its training pixels.

    Parameters
    ----------
    bands : names of the model's bands, in its order. Of more than 16, 16 spread evenly are used.
    training : pixels that the model learnt from, one array (pixels, bands) of physical values for each
        place, scene or patch; NaN where a band is absent. Each gets an equal share of the sample.
    held_out : the same of ground kept aside, one array for each place (or patch): the threshold is that
        which 1 % of the pixels of the middle one exceed, the share that which 5 % of them exceed, but at
        least a tenth and at most a quarter. Without any, the mixture's own threshold, and a tenth.
    quantity : the card's.
    seed : of the sample and of the mixture.

    Returns
    -------
    The value of the card's ``novelty``.

    Raises
    ------
    ValueError
        When there is no training pixel of some band.
    """
    chosen = _chosen(len(bands))
    rng = np.random.default_rng(seed)
    most = max(_MOST_PIXELS // max(len(training), 1), 1)
    sample = np.concatenate([_sampled(pixels[:, chosen], most, rng) for pixels in training])
    known = ~np.isnan(sample).all(axis=0)
    if not known.all():
        lacking = [bands[place] for place, there in zip(chosen, known, strict=True) if not there]
        raise ValueError(f"no training pixel has the band {lacking[0]!r}")
    names = [bands[place] for place in chosen]
    drafted = _statistics(names, fit_mixture(sample, _CLUSTERS, seed))
    groups = [_sampled(pixels[:, chosen], _MOST_HELD_OUT, rng) for pixels in held_out]
    return _with_limits(drafted, groups, quantity)


def _chosen(bands: int) -> list[int]:
    """Places of at most 16 bands, spread evenly."""
    spread = np.linspace(0, bands - 1, min(bands, MOST_BANDS))
    return [round(place) for place in spread]


def _sampled(pixels: Pixels, most: int, rng: np.random.Generator) -> Pixels:
    if len(pixels) <= most:
        return pixels
    return pixels[rng.permutation(len(pixels))[:most]]


def _statistics(names: Sequence[str], mixture: Mixture) -> NoveltyStatistics:
    rows, cols = np.tril_indices(len(names))
    return NoveltyStatistics(
        bands=tuple(names),
        weights=_rounded(mixture.weights),
        means=_rounded(mixture.means),
        covariances=_rounded(mixture.covariances[:, rows, cols]),
    )


def _rounded(numbers: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(f"{number:.{_DIGITS}g}") for number in numbers.ravel())


def _with_limits(
    drafted: NoveltyStatistics, groups: Sequence[Pixels], quantity: str
) -> NoveltyStatistics:
    """Set threshold, share and margin by groups of pixels that the mixture was not fitted to."""
    judged = list(_judged(drafted, groups))
    if not judged:
        return drafted
    novelty = [detector.novelty(pixels) for detector, pixels in judged]
    threshold = max(float(np.median([np.percentile(each, 99) for each in novelty])), 1.0)
    shares = [float(np.mean(each > threshold)) for each in novelty]
    share = float(np.clip(_limit(shares), _LEAST_SHARE, _MOST_SHARE))
    margins = [
        max(evidence(detector.mixture, pixels[:_FOR_MARGIN], quantity).values(), default=0.0)
        for (detector, pixels), of_group in zip(judged, shares, strict=True)
        if of_group <= share  # else there is a reason to warn of
    ]
    margin = max(_limit(margins), _LEAST_MARGIN) if margins else _LEAST_MARGIN
    return drafted.model_copy(
        update={
            "threshold": round(threshold, 4),
            "share": round(share, 4),
            "margin": round(margin, 3),
        }
    )


def _limit(of_groups: Sequence[float]) -> float:
    """Limit that the next group exceeds with a probability of 5 % (Vovk et al. 2005).

    Of fewer than 19 groups, the largest number.
    """
    n = len(of_groups)
    return float(np.quantile(of_groups, min(_ORDINARY * (1 + 1 / n), 1.0), method="higher"))


def _judged(
    drafted: NoveltyStatistics, groups: Sequence[Pixels]
) -> Iterator[tuple[Detector, Pixels]]:
    """Detector for the bands of each group that has pixels, and the pixels of these bands."""
    detectors: dict[tuple[str, ...], Detector | None] = {}
    for pixels in groups:
        present = np.flatnonzero(~np.isnan(pixels).all(axis=0))
        names = tuple(drafted.bands[place] for place in present)
        if names not in detectors:
            detectors[names] = Detector.of(drafted, names)
        detector = detectors[names]
        measured = pixels[:, present]
        measured = measured[~np.isnan(measured).any(axis=1)]
        if detector is not None and len(measured):
            yield detector, measured
