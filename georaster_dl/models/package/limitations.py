"""Warnings about a map: classes of low accuracy, absent bands, and distance from the training places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Place
from georaster_dl.core.wording import listed
from georaster_dl.models.package.novelty import AbsentBands

__all__ = [
    "FAR_KM",
    "absent_bands_warning",
    "distance_km",
    "far_warning",
    "iou_figures",
    "poor_classes_warning",
]

FAR_KM = 500.0
"""From the nearest place of training or test on, ground is likely to look otherwise."""
_LEAST = {"IoU": 0.3, "F1": 0.46}  # the same agreement: F1 = 2 IoU / (1 + IoU)
_DEAR = 0.03  # of accuracy, that absent bands may cost unsaid
_LONGEST_NAME = 48  # characters of a class in the name of a figure
_MOST_NAMED = 6
_EARTH_KM = 6371.0


def poor_classes_warning(
    model: str, figures: Mapping[str, float], classes: Iterable[str]
) -> str | None:
    """Warn of classes with low accuracy in the model's test; None where there are none.

    Parameters
    ----------
    model : its name.
    figures : of the test, named as cards name them: ``IoU water, test``, ``F1 water, Tokyo``.
    classes : names of those that a map holds.
    """
    poor = [
        f"{name} ({kind} {value:.2f}, {figure.removeprefix(f'{kind} {name[:_LONGEST_NAME]}, ')})"
        for name in classes
        for kind, least in _LEAST.items()
        for figure, value in figures.items()
        if figure.startswith(f"{kind} {name[:_LONGEST_NAME]}, ") and value < least
    ]
    if not poor:
        return None
    return f"{model} did badly in its own test at {listed(poor, _MOST_NAMED)}: trust these little"


def absent_bands_warning(absent: Sequence[str], measured: Iterable[AbsentBands]) -> str | None:
    """Warn of absent bands without which a model is less accurate; None where they cost little.

    Parameters
    ----------
    absent : names of the model's bands that a scene lacks.
    measured : what the absence of bands costs, from the card; of what applies, the dearest is said.
    """
    known = [each for each in measured if set(each.bands) <= set(absent)]
    dearest = max(known, key=lambda each: each.whole - each.without, default=None)
    if dearest is None or dearest.whole - dearest.without <= _DEAR:
        return None
    worst = f", {dearest.worst} most" if dearest.worst else ""
    return (
        f"the scene has no {', '.join(dearest.bands)}: {dearest.figure} is {dearest.without:.2f} instead of "
        f"{dearest.whole:.2f} without {'it' if len(dearest.bands) == 1 else 'them'}{worst}"
    )


def iou_figures(iou: Mapping[str, float]) -> dict[str, float]:
    """IoU of classes by name, as figures that ``poor_classes_warning`` takes."""
    return {f"IoU {name[:_LONGEST_NAME]}, test": value for name, value in iou.items()}


def far_warning(model: str, places: Sequence[Place], scene: Place | None) -> str | None:
    """Warn of a scene far from all places of training and test; None where it is near or unknown.

    Parameters
    ----------
    places, scene : longitude and latitude in degrees.
    """
    if scene is None or not places:
        return None
    nearest = distance_km(places, scene)
    if nearest <= FAR_KM:
        return None
    return (
        f"this scene is {nearest:,.0f} km from the nearest place that {model} was trained or tested at: "
        f"its accuracy here is unknown, so check the map (geodl sample-points, geodl evaluate)"
    )


def distance_km(places: Sequence[Place], scene: Place) -> float:
    """Great-circle distance from a scene to the nearest of these places.

    Raises
    ------
    OptionError
        When there are no places.
    """
    if not places:
        raise OptionError("No places are given; give at least one.")
    lon, lat = np.radians(np.asarray(places, np.float64)).T
    lon0, lat0 = np.radians(scene)
    half = (
        np.sin((lat - lat0) / 2) ** 2 + np.cos(lat) * np.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    )
    return float((2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))).min())
