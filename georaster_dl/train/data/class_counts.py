"""Whether labels leave anything to learn from, and what of them does not count."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.labels.class_list import LARGEST_CLASS
from georaster_dl.train.data.cache import CachedScene

__all__ = ["check_class_counts"]

_CURE = "--all-touched labels every pixel that a feature touches"


def check_class_counts(stored: Sequence[CachedScene], warn: Callable[[str], None]) -> None:
    """Stop where there is nothing to learn from, and say what is left out.

    Parameters
    ----------
    warn : called with a sentence for all that adds nothing: scenes, features below a pixel, classes.

    Raises
    ------
    OptionError
        When no pixel is labelled and valid, or all are of one class.
    """
    empty = [each for each in stored if not len(each.index.rows)]
    if len(empty) == len(stored):
        raise OptionError(_nothing_in(stored))
    for each in empty:
        warn(f"{each.ground.scene.name} has no {each.ground.counted} pixel and adds nothing")
    for each in stored:
        missed, features = each.missed
        if missed and each.ground.labels is not None:
            warn(
                f"{missed:,} of {counted(features, 'feature')} of {each.ground.labels.name} cover no pixel's "
                f"centre and add nothing; {_CURE}"
            )
    if stored[0].ground.legend is not None:
        _check_classes(stored, stored[0].ground.legend, warn)


def _check_classes(
    stored: Sequence[CachedScene], legend: Legend, warn: Callable[[str], None]
) -> None:
    totals = np.sum([each.index.totals for each in stored], axis=0)
    present = [c.name for c, n in zip(legend.classes, totals, strict=True) if n]
    if len(present) < 2:
        raise OptionError(
            f"Only the class {present[0]!r} has labelled, valid pixels, but a map needs at least two; "
            f"label another, or give everything unlabelled a class with --background NAME."
        )
    missing = [c.name for c, n in zip(legend.classes, totals, strict=True) if not n]
    if missing:
        warn(f"left out, because no valid pixel is labelled so: {', '.join(missing)}")
    codes = [name for name in legend.names if name.isdecimal() and int(name) > LARGEST_CLASS]
    if codes:
        warn(
            f"the codes of the labels ({listed(codes, 3)}) are larger than a map's numbers (0..{LARGEST_CLASS}), "
            f"so they are the classes' names, and the classes are numbered {min(legend.values)} to "
            f"{max(legend.values)}"
        )


def _nothing_in(stored: Sequence[CachedScene]) -> str:
    first = stored[0].ground
    scenes = f"{first.scene.name}{' (and every other scene)' if len(stored) > 1 else ''}"
    if first.labels is None:
        return f"No pixel is valid: {scenes} is nodata or masked everywhere; check --nodata."
    missed, features = np.sum([each.missed for each in stored], axis=0)
    if features and missed == features:
        return (
            f"No pixel is labelled: all {counted(features, 'feature')} of {first.labels.name} at {scenes} are "
            f"smaller than a pixel and cover no pixel's centre; {_CURE}."
        )
    return (
        f"No labelled pixel is valid: wherever {first.labels.name} has labels, {scenes} is nodata or "
        f"masked; check --nodata and the labels' place."
    )
