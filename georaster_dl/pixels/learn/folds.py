"""Folds of cross-validation over square blocks: none is in both training and test."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Fold", "block_folds", "spatial_blocks", "stratified_folds"]

Fold = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
"""Positions of the items for training, and of those for testing."""

_ENOUGH_BLOCKS = 24
_DIVISIONS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # of the longer side of the extent


def spatial_blocks(places: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Assign each place (n, 2) the number of its square block.

    The blocks are the largest of which at least two dozen hold a place, else the smallest.
    """
    low = places.min(axis=0)
    extent = float(np.ptp(places, axis=0).max()) or 1.0
    blocks = np.zeros(len(places), np.intp)
    for parts in _DIVISIONS:
        cells = np.minimum((places - low) / extent * parts, parts - 1).astype(np.int64)
        blocks = np.unique(cells[:, 0] * parts + cells[:, 1], return_inverse=True)[1]
        if blocks.max() + 1 >= _ENOUGH_BLOCKS:
            break
    return blocks


def block_folds(blocks: npt.NDArray[np.intp], n: int) -> list[Fold]:
    """At most ``n`` folds of about one size, whole blocks each; none where there is one block."""
    from sklearn.model_selection import GroupKFold

    n = min(n, len(np.unique(blocks)))
    return [] if n < 2 else list(GroupKFold(n).split(blocks, groups=blocks))


def stratified_folds(
    classes: npt.NDArray[np.integer], blocks: npt.NDArray[np.intp], n: int, seed: int
) -> list[Fold]:
    """Folds of blocks where every training side has all classes; else folds of each class's items.

    Parameters
    ----------
    classes : (items,) class of each; every class has at least two items.
    """
    from sklearn.model_selection import StratifiedKFold

    present = len(np.unique(classes))
    folds = block_folds(blocks, n)
    if folds and all(len(np.unique(classes[train])) == present for train, _ in folds):
        return folds
    n = min(n, int(np.unique(classes, return_counts=True)[1].min()))
    return list(StratifiedKFold(n, shuffle=True, random_state=seed).split(blocks, classes))
