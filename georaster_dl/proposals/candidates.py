"""Candidates for labelling in several scenes, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import GeoRasterError, OptionError, SceneError
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import counted, listed
from georaster_dl.proposals.choice import choose
from georaster_dl.proposals.options import ProposeOptions
from georaster_dl.proposals.scene_scores import SceneCandidates, labelled_zones

__all__ = ["Candidates", "choose_areas", "find_candidates", "leave_out"]

_APART = 5.0  # cells, or parcels of the usual size, between the middles of two areas


@dataclass(frozen=True)
class Candidates:
    """Arrays of the areas that can be proposed; the first axis of each is the area.

    Attributes
    ----------
    scene : position of the scene that each is of.
    number : its number among the scene's zones.
    score, features, classes : as ``Means`` has them.
    places : (candidates, 2) in cells, or in parcels of the usual size; scenes lie far apart.
    """

    scene: npt.NDArray[np.intp]
    number: npt.NDArray[np.intp]
    score: npt.NDArray[np.float64]
    features: npt.NDArray[np.float32]
    classes: npt.NDArray[np.intp]
    places: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.number)

    def take(self, which: npt.NDArray[np.intp]) -> Candidates:
        """Take the candidates at these positions."""
        return Candidates(*(getattr(self, each.name)[which] for each in fields(self)))


def find_candidates(
    opened: Sequence[SceneCandidates], options: ProposeOptions, warn: Callable[[str], None]
) -> Candidates:
    """Map the scenes and collect the candidates that are mostly valid and not labelled.

    A scene that cannot be read, or has no valid pixel, is left out with a warning.

    Raises
    ------
    GeoRasterError
        When no scene can be mapped, the labels cannot be read, or there is no candidate.
    """
    found: list[Candidates] = []
    failed: list[tuple[str, SceneError]] = []
    right = 0.0  # of the scenes so far
    labelled = _labelled(opened, options)
    for index, (each, taken) in enumerate(zip(opened, labelled, strict=True)):
        try:
            means = each.score(options.by)
        except SceneError as error:  # the others' maps may have taken hours
            failed.append((Path(each.scene.name).name, error))
            continue
        means = means.where(~taken[means.numbers])
        n = len(means.numbers)
        if n:
            places = each.centres(means.numbers) / _side(each, means.numbers)
            places[:, 0] += right + _APART - places[:, 0].min()
            right = places[:, 0].max()
            scene = np.full(n, index)
            found.append(
                Candidates(
                    scene, means.numbers, means.scores, means.features, means.classes, places
                )
            )
    leave_out(failed, len(opened), warn)
    if not found:
        raise SceneError(_none_message(opened, options))
    columns = ([getattr(each, one.name) for each in found] for one in fields(Candidates))
    joined = Candidates(*map(np.concatenate, columns))
    return joined if options.parcels is None else _once(joined)


def leave_out(
    failed: Sequence[tuple[str, GeoRasterError]], scenes: int, warn: Callable[[str], None]
) -> None:
    """Warn of scenes that are left out, each with its error.

    Parameters
    ----------
    failed : name and error of each.
    scenes : number of all.

    Raises
    ------
    GeoRasterError
        The first error, when none is left.
    """
    if failed and len(failed) == scenes:
        raise failed[0][1]
    for name, error in failed:
        warn(f"{name} is left out: {str(error).rstrip('.')}")


def choose_areas(
    candidates: Candidates, options: ProposeOptions, warn: Callable[[str], None]
) -> Candidates:
    """Choose the areas to label, in the order of their rank; all where there are fewer than asked for."""
    n = min(options.n, len(candidates))
    if n < options.n:
        more = "" if options.parcels is not None else "; smaller cells (`cell=`) give more"
        warn(f"all {counted(n, 'area')} proposed, of the `n={options.n}` asked for{more}")
    which = choose(
        candidates.score,
        candidates.features,
        n,
        places=candidates.places,
        distance=_APART,
        seed=options.seed,
    )
    return candidates.take(which)


def _side(scene: SceneCandidates, numbers: npt.NDArray[np.intp]) -> float:
    """Side in pixels of a cell, or of a parcel of the usual size."""
    return float(np.sqrt(np.median(scene.zones.sizes(numbers))))


def _labelled(
    opened: Sequence[SceneCandidates], options: ProposeOptions
) -> list[npt.NDArray[np.bool_]]:
    """Mark the candidates of each scene that hold labels, which need not touch every scene."""
    found = [np.zeros(each.zones.count, bool) for each in opened]
    if options.labels is None:
        return found
    reading = LabelOptions(class_field=options.class_field)
    failed: list[OptionError] = []
    for index, each in enumerate(opened):
        try:
            found[index] = labelled_zones(each.zones, each.geobox, options.labels, reading)
        except OptionError as error:  # they lie beside this scene, or cannot be used at all
            failed.append(error)
    if len(failed) == len(opened):
        raise failed[0]
    return found


def _once(candidates: Candidates) -> Candidates:
    """Keep each parcel in the scene where its score is highest."""
    order = np.lexsort((-candidates.score, candidates.number))
    first = np.unique(candidates.number[order], return_index=True)[1]
    return candidates.take(order[first])


def _none_message(opened: Sequence[SceneCandidates], options: ProposeOptions) -> str:
    names = listed(Path(each.prepared.match.scene.name).name for each in opened)
    what, other = f"cell of {options.cell} pixels", "cells of another size (`cell=`)"
    if options.parcels is not None:
        what, other = "parcel", "other parcels"
    without = "" if options.labels is None else " and without a label"
    return f"No {what} of {names} is mostly valid{without}; choose other scenes, or {other}."
