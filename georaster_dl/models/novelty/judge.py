"""Verdict on a scene: how much of it is unlike a model's training, and the likely reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.wording import listed
from georaster_dl.models.novelty.causes import BRIGHTEST, evidence
from georaster_dl.models.novelty.detector import Detector
from georaster_dl.models.novelty.mixture import Mixture
from georaster_dl.models.package.novelty import NoveltyStatistics

__all__ = ["SceneNovelty", "judge"]

Floats = npt.NDArray[np.float64]

_FOR_CAUSES, _FOR_BANDS = 4096, 1000  # pixels
_OUTSIDE = 6.0  # standard deviations of the training
_MOST_NAMED = 3  # bands
_MOSTLY = 0.5  # of the largest surprise
_BRIGHT, _DARK, _SNOW_SWIR, _SNOW_INDEX = 0.3, 0.05, 0.25, 0.4
_VISIBLE_NM, _SWIR_NM = (400.0, 700.0), (1500.0, 2500.0)
_GREEN_NM = 560.0


@dataclass(frozen=True)
class SceneNovelty:
    """Share of a scene's pixels that are unlike a model's training.

    Attributes
    ----------
    share : 0 to 1.
    reason : why the scene is warned of, as the rest of a sentence; None where it is ordinary.
    fault : whether the reason is a fault of all values, which may leave every pixel possible ground.
    """

    share: float
    reason: str | None = None
    fault: bool = False


def judge(
    statistics: NoveltyStatistics,
    detector: Detector,
    values: Floats,
    bands: Sequence[Band],
    *,
    quantity: str,
    classes: Sequence[str],
) -> SceneNovelty:
    """Judge a scene by a sample of its pixels.

    Parameters
    ----------
    detector : of the statistics, for the scene's bands.
    values : (pixels, bands) in physical units.
    bands : of the model, those that the detector looks at.
    quantity : the card's.
    classes : names of the model's classes; empty for other tasks.
    """
    novel = detector.novelty(values) > 1
    share = float(novel.mean())
    fault = _fault(statistics, detector, values, quantity)
    if fault is not None:
        return SceneNovelty(share, fault, fault=True)
    if share <= statistics.share:
        return SceneNovelty(share)
    unlike = values[novel]
    seen = (
        _appearance(np.median(unlike, axis=0), bands, classes)
        if quantity == "reflectance"
        else None
    )
    return SceneNovelty(
        share, seen or _outside(detector, unlike) or _least_fitting(detector, unlike)
    )


def _fault(
    statistics: NoveltyStatistics, detector: Detector, values: Floats, quantity: str
) -> str | None:
    """Find the fault that, undone, makes the scene an ordinary one; the most evident of them."""
    some = values[:: -(-len(values) // _FOR_CAUSES)]
    known = evidence(detector.mixture, some, quantity)
    cause = max(known, key=lambda each: known[each], default=None)
    if cause is None or known[cause] <= statistics.margin:
        return None
    before, left = (float(np.mean(detector.novelty(each) > 1)) for each in (some, cause.undo(some)))
    return cause.text if left <= max(statistics.share, before / 2) else None


def _outside(detector: Detector, unlike: Floats) -> str | None:
    """Name bands whose values are far outside of all that was learnt."""
    mixture = detector.mixture
    weights = mixture.weights / mixture.weights.sum()
    mean = weights @ mixture.means
    variances = np.diagonal(mixture.covariances, axis1=1, axis2=2) + (mixture.means - mean) ** 2
    deviation = np.sqrt(weights @ variances)
    middle = np.median(unlike, axis=0)
    away = np.abs(middle - mean) / deviation
    far = [i for i in np.argsort(-away) if away[i] > _OUTSIDE][:_MOST_NAMED]
    if not far:
        return None
    said = ", ".join(
        f"{detector.names[i]} is around {middle[i]:.3g}, in training {mean[i]:.3g} ± {deviation[i]:.2g}"
        for i in sorted(far)
    )
    return f"{said}; check what these bands hold (`bands=`, `scale=`)"


def _appearance(middle: Floats, bands: Sequence[Band], classes: Sequence[str]) -> str | None:
    """Name a surface that reflectances (bands,) look like."""
    waves = np.array([band.wavelength_nm or np.nan for band in bands])
    visible = (waves >= _VISIBLE_NM[0]) & (waves <= _VISIBLE_NM[1])
    swir = (waves >= _SWIR_NM[0]) & (waves <= _SWIR_NM[1])
    if not visible.any() or middle.max() > BRIGHTEST:
        return None
    green = middle[np.nanargmin(np.abs(waves - _GREEN_NM))]
    names = np.array([band.name for band in bands])
    if swir.any() and green > _BRIGHT and middle[swir].max() < _SNOW_SWIR:
        dark = middle[swir].max()
        if green - dark > _SNOW_INDEX * (green + dark):
            return (
                f"bright in the visible ({listed(names[visible])}), dark in the short-wave infrared "
                f"({listed(names[swir])}): snow or ice{_unknown(classes, 'snow', ' ice')}"
            )
    if middle.min() > _BRIGHT:
        what = "clouds are" if swir.any() else "clouds and snow are"
        return f"bright in all bands, as {what}{_unknown(classes, 'cloud')}"
    if middle.max() < _DARK:
        return "dark in all bands, as water and deep shadow are"
    return None


def _unknown(classes: Sequence[str], *words: str) -> str:
    """Say that a model has no class for it, where none is named so."""
    named = any(word in f" {name.casefold()}" for name in classes for word in words)
    return "" if named or not classes else ", which this model has no class for"


def _least_fitting(detector: Detector, unlike: Floats) -> str:
    """Name the bands that fit the others least, the worst first taken out."""
    mixture, some = detector.mixture, unlike[:_FOR_BANDS]
    left, taken, most = list(range(len(detector.names))), list[int](), 0.0
    while len(left) > 1 and len(taken) < _MOST_NAMED:
        whole = _distances(mixture, some, left)
        surprise = {
            band: float(
                np.median(whole - _distances(mixture, some, [i for i in left if i != band]))
            )
            for band in left
        }
        band = max(left, key=lambda each: surprise[each])
        if taken and surprise[band] < _MOSTLY * most:
            break
        most = max(most, surprise[band])
        taken.append(band)
        left.remove(band)
    higher = _higher(mixture, some, left, taken)
    said = ", ".join(
        f"{detector.names[band]} ({'higher' if higher[band] else 'lower'})"
        for band in sorted(taken)
    )
    return f"most different from what the other bands lead to expect: {said or detector.names[0]}"


def _distances(mixture: Mixture, values: Floats, bands: list[int]) -> Floats:
    """Squared distance (pixels,) from the nearest cluster by some bands."""
    nearest: Floats = mixture.marginal(bands).distances(values[:, bands]).min(axis=1)
    return nearest


def _higher(
    mixture: Mixture, values: Floats, given: list[int], bands: list[int]
) -> dict[int, bool]:
    """Check whether values of bands are above those that the given bands lead to expect."""
    nearest = mixture.marginal(given).distances(values[:, given]).argmin(axis=1)
    above = np.zeros((len(values), len(bands)), bool)
    for k in np.unique(nearest):
        here = nearest == k
        expected, _ = mixture.conditional(
            k, np.array(given), np.array(bands, np.intp), values[here][:, given]
        )
        above[here] = values[here][:, bands] > expected
    return dict(zip(bands, (above.mean(axis=0) > 0.5).tolist(), strict=True))
