"""Counts of pixels by true and mapped class, and the figures that follow from them.

A label is sure where it is one class; labels of several classes are never scored. The surface is
the seven classes of land, water and snow: cloud or shadow where a surface is labelled is wrong, and
counted apart as well.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from sets import CLASSES, Bits
from world import Chip

Ints = npt.NDArray[np.int64]
Counts = npt.NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)

N = len(CLASSES)
CLOUD, SHADOW, SNOW = 6, 7, 8
SURFACES = tuple(c for c in range(N) if c not in (CLOUD, SHADOW))
# Fewer pixels of a class than this are a matter of chance; it was set before any map was scored.
FEWEST = 50


@dataclass(frozen=True)
class Counted:
    """What a map says of one chip.

    Attributes
    ----------
    chip : which.
    level : L1C, L2A, or 'L1C made of L2A'.
    counts : (true class, mapped class) pixels with a sure label.
    """

    chip: Chip
    level: str
    counts: Counts


@dataclass(frozen=True)
class Figures:
    """Shares of 1; NaN where there is no pixel to say.

    Attributes
    ----------
    pixels : with a sure label of a surface.
    agreement : share of them that are mapped so.
    balanced : mean over surfaces of the share mapped so (recall).
    macro_f1 : mean over surfaces of F1, cloud and shadow on a surface being misses.
    false_sky : share of the labelled surface that is called cloud or shadow.
    recall : of every class by number.
    """

    pixels: float
    agreement: float
    balanced: float
    macro_f1: float
    false_sky: float
    recall: dict[int, float]

    @classmethod
    def of(cls, counts: Counts, fewest: float = FEWEST) -> Figures:
        """Figures of counts; classes of fewer than ``fewest`` pixels have none."""
        rows = list(SURFACES)
        surface = counts[rows]
        with np.errstate(invalid="ignore"):
            recall = np.diagonal(counts) / counts.sum(axis=1)
            f1 = 2 * np.diagonal(counts)[rows] / (surface.sum(axis=1) + surface.sum(axis=0)[rows])
        there = counts.sum(axis=1) >= max(fewest, 1e-12)
        n = float(surface.sum())
        return cls(
            n,
            _share(float(np.diagonal(counts)[rows].sum()), n),
            _mean(recall[[c for c in rows if there[c]]]),
            _mean(f1[there[rows]]),
            _share(float(surface[:, [CLOUD, SHADOW]].sum()), n),
            {c: float(recall[c]) for c in range(N) if there[c]},
        )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _mean(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def is_sure(label: Bits) -> npt.NDArray[np.bool_]:
    """Where a label is one class."""
    return (label > 0) & (label & (label - 1) == 0)


def count(label: Bits, mapped: Ints) -> Counts:
    """Count pixels by true and mapped class where the label is one class."""
    sure = is_sure(label)
    truth = np.log2(label[sure]).astype(np.int64)
    return np.bincount(truth * N + mapped[sure], minlength=N * N).reshape(N, N).astype(float)


def merged(counted: Iterable[Counted], key: Callable[[Counted], Key]) -> dict[Key, Counts]:
    """Sum of the counts by what ``key`` says of a chip."""
    sums: dict[Key, Counts] = {}
    for each in counted:
        name = key(each)
        sums[name] = sums.get(name, np.zeros((N, N))) + each.counts
    return sums


def by_place(counted: Iterable[Counted]) -> dict[str, Counts]:
    """Sum of the counts of every place that has labelled surface enough to be scored."""
    places = merged(counted, lambda each: each.chip.place)
    return {p: c for p, c in places.items() if c[list(SURFACES)].sum() >= FEWEST}


def alike_places(counted: Iterable[Counted]) -> Counts:
    """Sum of shares (true class, mapped class): the labelled surface of every place counts 1."""
    places = by_place(counted).values()
    return sum((c / c[list(SURFACES)].sum() for c in places), np.zeros((N, N)))


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean, and deviation where there are several; '-' where one is not known."""
    if not values or np.isnan(values).any():
        return "-"
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print()
