"""Mapped objects matched one to one with those of a reference, by overlap or in the order of their confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["THRESHOLDS", "Overlaps", "average_precision", "one_to_one", "overlapping"]

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""Intersections over union at which objects are matched: 0.5, 0.55, ... 0.95."""

_RECALLS = np.linspace(0, 1, 101)  # at which COCO reads precision
_EPSILON = 1e-9  # by which an intersection over union may fall short through rounding

_Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Pairs of a mapped and a reference object that overlap.

    Attributes
    ----------
    mapped, reference : (pairs,) places of the two.
    iou : (pairs,) intersection over union.
    """

    mapped: _Ints
    reference: _Ints
    iou: npt.NDArray[np.float64]

    def __getitem__(self, which: Any) -> Overlaps:
        """Take some of the pairs."""
        return Overlaps(self.mapped[which], self.reference[which], self.iou[which])

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.iou)

    def reaching(self, threshold: float) -> Overlaps:
        """Take the pairs of an intersection over union of at least that."""
        return self[self.iou >= threshold - _EPSILON]


def overlapping(
    mapped: npt.NDArray[np.object_],
    reference: npt.NDArray[np.object_],
    least: float = THRESHOLDS[0],
) -> Overlaps:
    """Find the pairs of polygons whose intersection over union reaches a threshold.

    Areas and bounding boxes bound it from above, so that outlines are intersected of few pairs only.

    Parameters
    ----------
    mapped, reference : (n,) and (m,) valid polygons in one CRS.
    least : the threshold, above 0.
    """
    at = shapely.STRtree(reference).query(mapped)
    i, j = np.asarray(at[0], np.intp), np.asarray(at[1], np.intp)
    areas, others = shapely.area(mapped), shapely.area(reference)
    one, other = shapely.bounds(mapped)[i], shapely.bounds(reference)[j]
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    most = np.minimum(np.minimum(areas[i], others[j]), np.maximum(sides, 0).prod(axis=1))
    likely = most >= (least - _EPSILON) * np.maximum(areas[i], others[j])
    i, j = i[likely], j[likely]
    shared = shapely.area(shapely.intersection(mapped[i], reference[j]))
    union = areas[i] + others[j] - shared
    iou = np.divide(shared, union, out=np.zeros_like(union), where=union > 0)
    pairs = Overlaps(i, j, np.minimum(iou, 1))
    return pairs.reaching(least)


def one_to_one(pairs: Overlaps, threshold: float) -> Overlaps:
    """Choose as many pairs as possible of which no two share an object; of several choices that with most overlap.

    Where neither the mapped nor the reference objects overlap each other, there is one choice only.

    Parameters
    ----------
    threshold : intersection over union that a pair has at least.
    """
    pairs = pairs.reaching(threshold)
    if not len(pairs):
        return pairs
    _, i = np.unique(pairs.mapped, return_inverse=True)
    _, j = np.unique(pairs.reference, return_inverse=True)
    alone = (np.bincount(i)[i] == 1) & (np.bincount(j)[j] == 1)
    chosen = [np.flatnonzero(alone)]
    rest = np.flatnonzero(~alone)
    if len(rest):
        n = i.max() + 1
        nodes = n + j.max() + 1
        graph = coo_array((np.ones(len(rest)), (i[rest], n + j[rest])), shape=(nodes, nodes))
        group = connected_components(graph, directed=False)[1][i[rest]]
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        chosen += [_best(pairs, rest[part]) for part in np.split(order, starts[1:])]
    return pairs[np.sort(np.concatenate(chosen))]


def _best(pairs: Overlaps, among: _Ints) -> _Ints:
    """Choose from pairs that hang together."""
    ours, i = np.unique(pairs.mapped[among], return_inverse=True)
    theirs, j = np.unique(pairs.reference[among], return_inverse=True)
    gain = np.zeros((len(ours), len(theirs)))
    place = np.full(gain.shape, -1)
    # A pair more outweighs all overlap that could be gained without it.
    gain[i, j] = 1 + pairs.iou[among] / (2 * min(gain.shape))
    place[i, j] = among
    taken = place[linear_sum_assignment(gain, maximize=True)]
    return np.asarray(taken[taken >= 0], np.intp)


def average_precision(
    pairs: Overlaps, confidence: npt.NDArray[np.float64], n_reference: int, threshold: float
) -> float:
    """Compute the average precision at one intersection over union: the mean of the precision at 101 recalls.

    In the order of their confidence, objects take the reference object left with which they overlap most (Lin et al. 2014;
    https://cocodataset.org/#detection-eval, without a limit of objects). NaN without a reference.

    Parameters
    ----------
    pairs : that overlap.
    confidence : (mapped objects,).
    n_reference : objects of the reference.
    threshold : intersection over union of a match.
    """
    if not n_reference:
        return float("nan")
    order = np.argsort(-confidence, kind="stable")
    right = _matched(pairs.reaching(threshold), order)[order]
    hits = np.cumsum(right)
    recall = hits / n_reference
    precision = hits / np.arange(1, len(hits) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]  # at this recall or any above
    place = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(highest, 0.0)[place].mean())


def _matched(pairs: Overlaps, order: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """(mapped objects,) True for those that have taken an object of the reference."""
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    best = np.lexsort((-pairs.iou, rank[pairs.mapped]))
    right = np.zeros(len(order), bool)
    taken: set[int] = set()
    for i, j in zip(pairs.mapped[best].tolist(), pairs.reference[best].tolist(), strict=True):
        if not right[i] and j not in taken:
            right[i] = True
            taken.add(j)
    return right
