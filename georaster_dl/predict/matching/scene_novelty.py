"""Novelty of a scene for a model, judged by a few windows before a run, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.samples import spread_windows
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.models.novelty.detector import Detector
from georaster_dl.models.novelty.judge import SceneNovelty, judge
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.domain import CalibrationDomain
from georaster_dl.predict.matching.conversion import conversion_of
from georaster_dl.predict.matching.scene_match import SceneMatch

if TYPE_CHECKING:  # vector files take geopandas, which looking at a scene does not need
    from georaster_dl.io.vectors.aoi import AreaOfInterest

__all__ = ["novelty_warning", "scene_novelty", "untreated_warning"]

_FEWEST = 100  # pixels
_SPECTRA = 4096  # that are compared with a calibration
_MOST_UNLIKE = 0.2  # of a scene's spectra; of ordinary ones beyond the limits it is 0.09 to 0.12


def scene_novelty(match: SceneMatch, aoi: AreaOfInterest | None = None) -> SceneNovelty | None:
    """Judge how unlike a model's training a scene is, by at most 13 windows of it.

    None where the card holds no statistics, or fewer than 100 pixels of the windows are valid.

    Parameters
    ----------
    aoi : area outside of which pixels do not count.

    Raises
    ------
    SceneError
        When the file is damaged or truncated.
    """
    card = match.card
    if card.domain is not None:
        return _beside_calibration(match, card.domain, aoi)
    if card.novelty is None:
        return None
    detector = Detector.of(card.novelty, [band.name for band in card.bands])
    if detector is None:
        return None
    values = _sampled_values(match, detector.names, aoi)
    if len(values) < _FEWEST:
        return None
    return judge(
        card.novelty,
        detector,
        values,
        [band for band in card.bands if band.name in detector.names],
        quantity=card.quantity,
        classes=[each.name for each in card.classes],
    )


def _beside_calibration(
    match: SceneMatch, domain: CalibrationDomain, aoi: AreaOfInterest | None
) -> SceneNovelty | None:
    """Compare a scene's spectra with those that its model was calibrated with."""
    from georaster_dl.spectra.methods.domain import domain_distances, limit_ratios
    from georaster_dl.spectra.table.unit_check import other_size

    bands = match.card.bands
    values = _sampled_values(match, tuple(band.name for band in bands), aoi)
    if len(values) < _FEWEST:
        return None
    some = values[:: -(-len(values) // _SPECTRA)]
    # First, because spectra of another size may lie within the limits: next to nothing is near a mean of few.
    size = other_size(some, np.array([b.mean for b in bands]), np.array([b.std for b in bands]))
    if size is not None:
        return SceneNovelty(1.0, size, fault=True)
    beyond = {
        name: ratio > 1
        for name, ratio in limit_ratios(domain, domain_distances(domain, some)).items()
    }
    share = float(np.any(list(beyond.values()), axis=0).mean())
    if share <= _MOST_UNLIKE:
        return SceneNovelty(share)
    named = ", ".join(f"{name} {100 * over.mean():.0f} %" for name, over in beyond.items())
    return SceneNovelty(
        share, f"beyond the calibration's limits are {named}; `outliers=` maps where"
    )


def novelty_warning(novelty: SceneNovelty | None, card: Card) -> str | None:
    """Say how much of a scene is unlike a model's training, and why; None where it is ordinary."""
    if novelty is None or novelty.reason is None:
        return None
    if novelty.fault:
        return f"the scene does not fit what {card.name} learnt from: {novelty.reason}"
    share = f"{100 * novelty.share:.0f} % of the scene's pixels"
    return f"{share} are unlike all that {card.name} learnt from: {novelty.reason}"


def untreated_warning(match: SceneMatch, aoi: AreaOfInterest | None = None) -> str | None:
    """Say how many pixels get no value, as a step of preprocessing cannot be applied to them.

    By the windows that ``scene_novelty`` looks at; None where all of their pixels can be preprocessed.

    Raises
    ------
    SceneError
        When the file is damaged or truncated.
    """
    conversion = conversion_of(match)
    if conversion is None or conversion.preprocessing is None:
        return None
    why = conversion.preprocessing.undefined_for
    usable = np.isfinite(conversion.spectra(_sampled(match.scene, aoi).T)).all(axis=1)
    if not why or usable.all():
        return None
    share = max(100 * (1 - usable.mean()), 0.1)
    return f"about {share:.1f} % of the scene's pixels have no value: {why}"


def _sampled_values(
    match: SceneMatch, names: tuple[str, ...], aoi: AreaOfInterest | None
) -> npt.NDArray[np.float64]:
    """Values (pixels, names) of these bands of the model, as its network reads them."""
    places = [i for i, band in enumerate(match.card.bands) if band.name in names]
    conversion = conversion_of(match)
    if conversion is None:
        scene = match.scene.select(places)
        values = scene.to_physical(_sampled(scene, aoi)).T
    else:
        values = conversion.spectra(_sampled(match.scene, aoi).T)[:, places]
    kept: npt.NDArray[np.float64] = values[np.isfinite(values).all(axis=1)].astype(np.float64)
    return kept


def _sampled(scene: Scene, aoi: AreaOfInterest | None) -> npt.NDArray[np.generic]:
    """Stored numbers (bands, pixels) of the valid pixels of a few windows within the area."""
    found = []
    with gdal_environment(), SceneReader(scene) as reader:
        # Every other one, as on a chessboard: a look at a scene must cost little beside its map.
        for rows, cols in spread_windows(scene.shape)[::2]:
            stored, valid = reader.read(rows, cols)
            found.append(stored[:, valid if aoi is None else valid & aoi.mask(rows, cols)])
    return np.concatenate(found, axis=1)
