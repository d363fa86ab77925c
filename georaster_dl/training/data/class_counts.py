"""Checks of the number of labelled pixels before and after the split, and warnings of labels lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.labels.class_list import LARGEST_CLASS
from georaster_dl.tiling.split_blocks import ALL_PARTS, PARTS, TEST, VALIDATION
from georaster_dl.training.data.cache import CachedScene
from georaster_dl.training.data.split import Split

__all__ = ["check_class_counts", "check_split", "warn_missing_classes"]

_FEWEST_NUMBERS = 2  # that R2 is defined for
_KEPT = 0.7  # share of the labels that the gaps should leave
_CURE = "`all_touched=True` labels every pixel that a feature touches"


def check_class_counts(scenes: Sequence[CachedScene], warn: Callable[[str], None]) -> None:
    """Check that there are labelled pixels of two classes, and warn of labels that add nothing.

    Parameters
    ----------
    warn : called with a sentence for scenes, features below a pixel and classes that add nothing.

    Raises
    ------
    OptionError
        When no pixel is labelled and valid, or all are of one class.
    """
    _warn_of_erosion(scenes, warn)
    empty = [each for each in scenes if not len(each.index.rows)]
    if len(empty) == len(scenes):
        raise OptionError(_nothing_in(scenes))
    for each in empty:
        warn(f"{each.scene.name} has no {each.counted} pixel and adds nothing")
    for each in scenes:
        missed, features = each.missed
        if missed and each.labels is not None:
            warn(
                f"{missed:,} of {counted(features, 'feature')} of {each.labels.name} cover no pixel's "
                f"centre and add nothing; {_CURE}"
            )
    if scenes[0].legend is not None:
        _check_classes(scenes, scenes[0].legend, warn)


def check_split(split: Split, warn: Callable[[str], None]) -> None:
    """Check that training and validation have labelled pixels, and warn of labels that the split loses.

    Parameters
    ----------
    warn : called with a sentence for a leak, labels lost in gaps, and classes missing in a part.

    Raises
    ------
    OptionError
        When training or validation has no labelled, valid pixel.
    """
    if split.caution:
        warn(split.caution)
    first = split.scenes[0]
    labelled = first.labels is not None
    _warn_of_gaps(split, "labels" if labelled else "pixels", warn)
    for part, name in enumerate(PARTS):
        if part != TEST and not split.labelled(part).any():
            more = "label more places" if labelled else "give more scenes"
            raise OptionError(
                f"The split leaves no {first.counted} pixel for {name} ({split.note}); use "
                f"smaller blocks, a smaller buffer, or {more}."
            )
        if part == VALIDATION and first.numeric and split.labelled(part).sum() < _FEWEST_NUMBERS:
            raise OptionError(
                f"The split leaves a single {first.counted} pixel for {name} ({split.note}), which says nothing of "
                f"the best epoch; use smaller blocks, a smaller buffer, or label more places."
            )
        warn_missing_classes(split, part, warn)


def warn_missing_classes(split: Split, part: int, warn: Callable[[str], None]) -> None:
    """Warn of classes without a pixel in a part that has labelled pixels."""
    legend, counts = split.scenes[0].legend, split.labelled(part)
    if legend is None or not counts.any():
        return
    missing = [name for name, n in zip(legend.names, counts, strict=True) if not n]
    if missing:
        warn(
            f"{PARTS[part]} has no pixel of {', '.join(missing)}: label it in more places, or "
            f"use smaller blocks"
        )


def _warn_of_gaps(split: Split, what: str, warn: Callable[[str], None]) -> None:
    """Warn when the gaps between the parts cost many of the labels or pixels."""
    total = sum(int(each.index.totals.sum()) for each in split.scenes)
    left = sum(int(split.labelled(part).sum()) for part in range(len(ALL_PARTS)))
    if left < _KEPT * total:
        warn(
            f"the gap between the parts takes {100 * (1 - left / total):.0f} % of the {what}: a smaller "
            f"`split.buffer=` or a larger `split.block=` keeps more"
        )


def _warn_of_erosion(scenes: Sequence[CachedScene], warn: Callable[[str], None]) -> None:
    """Say how many labels near borders were left out, and which features have none left."""
    eroded = [each.erosion for each in scenes if each.erosion is not None and each.erosion.pixels]
    labelled, removed = (sum(getattr(e, name) for e in eroded) for name in ("labelled", "removed"))
    if not labelled:
        return
    pixels = eroded[0].pixels
    if removed == labelled:
        raise OptionError(
            f"`erode={pixels}` leaves no label: all {labelled:,} labelled pixels lie within "
            f"{counted(pixels, 'pixel')} of a border; give a smaller number, or larger polygons."
        )
    warn(
        f"`erode={pixels}` leaves out {removed:,} of {labelled:,} labelled pixels ({100 * removed / labelled:.0f} %), "
        f"in all parts, so the figures are of ground away from borders"
    )
    vanished, features = np.sum([each.vanished for each in eroded], axis=0)
    if vanished:
        warn(
            f"{vanished:,} of {counted(features, 'feature')} are so small that `erode={pixels}` leaves nothing of them"
        )


def _check_classes(
    scenes: Sequence[CachedScene], legend: Legend, warn: Callable[[str], None]
) -> None:
    totals = np.sum([each.index.totals for each in scenes], axis=0)
    present = [c.name for c, n in zip(legend.classes, totals, strict=True) if n]
    if len(present) < 2:
        raise OptionError(
            f"Only the class {present[0]!r} has labelled, valid pixels, but a map needs at least two; "
            f"label another, or give everything unlabelled a class with `background='NAME'`."
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


def _nothing_in(scenes: Sequence[CachedScene]) -> str:
    first = scenes[0]
    where = f"{first.scene.name}{' (and every other scene)' if len(scenes) > 1 else ''}"
    if first.labels is None:
        return f"No pixel is valid: {where} is nodata or masked everywhere; check `nodata=`."
    missed, features = np.sum([each.missed for each in scenes], axis=0)
    if features and missed == features:
        return (
            f"No pixel is labelled: all {counted(features, 'feature')} of {first.labels.name} at {where} are "
            f"smaller than a pixel and cover no pixel's centre; {_CURE}."
        )
    return (
        f"No labelled pixel is valid: wherever {first.labels.name} has labels, {where} is nodata or "
        f"masked; check `nodata=` and the labels' place."
    )
