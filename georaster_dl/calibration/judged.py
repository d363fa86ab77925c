"""Calibrations fitted on one half of the labelled blocks and judged on the other, both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed
from georaster_dl.evaluation.metrics.calibration import class_probabilities, fit_calibration
from georaster_dl.evaluation.metrics.prediction_sets import (
    SetCoverage,
    prediction_sets,
    set_coverage,
)
from georaster_dl.evaluation.metrics.reliability import Reliability, measure_reliability
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.card import Predictor

__all__ = ["LEVELS", "GroundLogits", "Judged", "check_classes", "judge"]

LEVELS = (0.8, 0.9, 0.95)
"""Levels of the prediction sets whose coverage is measured."""

_FEWEST_OF_CLASS = 30  # labelled pixels of each class for a gain and an offset of it

_Ints = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class GroundLogits:
    """Logits of labelled pixels.

    Attributes
    ----------
    logits : (n, passes, classes).
    target, block : (n,) class index, and number of the block.
    half : (n,) whether the block belongs to the second half of the blocks.
    """

    logits: npt.NDArray[np.float32]
    target: _Ints
    block: _Ints
    half: _Mask


@dataclass(frozen=True, eq=False)
class Judged:
    """A calibration, and how well probabilities are meant without and with it.

    Each half of the blocks is judged with what the other half fitted.

    Attributes
    ----------
    predictor : how the probabilities are made.
    passes : of which they are the mean.
    former : calibration that the model had.
    calibration : of all pixels; its ``ece`` is the one judged.
    before, after : reliability with the former calibration, and with a new one.
    sets : coverage of the prediction sets of ``LEVELS``, by blocks.
    changed : share of the pixels whose most probable class is another with the new calibration.
    """

    predictor: Predictor
    passes: int
    former: Calibration
    calibration: Calibration
    before: Reliability
    after: Reliability
    sets: dict[float, SetCoverage]
    changed: float


def judge(
    predictor: Predictor, ground: GroundLogits, former: Calibration, *, vector: bool, seed: int
) -> Judged:
    """Judge each half of the blocks with the calibration of the other half, and fit anew on both.

    Parameters
    ----------
    former : calibration that the model has.
    vector : fit a gain and an offset of each class.
    seed : of the intervals.
    """
    logits, target, block = ground.logits, ground.target, ground.block
    first = class_probabilities(logits, former)
    second = np.empty_like(first)
    sets = {level: np.empty(first.shape, bool) for level in LEVELS}
    for judged in (ground.half, ~ground.half):
        fitted = fit_calibration(logits[~judged], target[~judged], vector=vector)
        second[judged] = class_probabilities(logits[judged], fitted)
        for level, members in sets.items():
            members[judged] = prediction_sets(second[judged], fitted.largest_score(level))
    after = measure_reliability(second, target, block, seed=seed)
    whole = fit_calibration(logits, target, vector=vector)
    return Judged(
        predictor=predictor,
        passes=logits.shape[1],
        former=former,
        calibration=whole.model_copy(update={"ece": round(after.ece.value, 4)}),
        before=measure_reliability(first, target, block, seed=seed),
        after=after,
        sets={level: set_coverage(members, target, block) for level, members in sets.items()},
        changed=float((first.argmax(axis=1) != second.argmax(axis=1)).mean()),
    )


def check_classes(ground: GroundLogits, names: Sequence[str]) -> None:
    """Refuse vector scaling where a class has too few labelled pixels in one half of the blocks.

    Raises
    ------
    OptionError
        It names the classes.
    """
    counts = [
        np.bincount(ground.target[half], minlength=len(names))
        for half in (ground.half, ~ground.half)
    ]
    few = [
        name for name, n in zip(names, np.min(counts, axis=0), strict=True) if n < _FEWEST_OF_CLASS
    ]
    if few:
        raise OptionError(
            f"`vector=True` fits a gain and an offset of each class and needs {_FEWEST_OF_CLASS} labelled pixels "
            f"of each in either half of the blocks, but has fewer of {listed(few, 12)}; label more of them, or "
            f"leave `vector=` out: one temperature needs no class by itself."
        )
