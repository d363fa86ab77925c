"""Probabilities of items by classifiers that have not seen them, nor anything of their group."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from georaster_dl.pixels.learn.classifier import Method
from georaster_dl.pixels.learn.folds import Fold
from georaster_dl.pixels.learn.probabilities import fit_probabilities

__all__ = ["group_folds", "probabilities_out_of_fold"]

_FOLDS = 5

_Indexes = npt.NDArray[np.intp]


def group_folds(labels: _Indexes, groups: _Indexes, blocks: _Indexes, seed: int) -> list[Fold]:
    """Divide items into folds that divide no block and no group, where classes allow; else no group.

    Parameters
    ----------
    labels : (n,) class index of each item.
    groups : (n,) number of its group, such as a polygon; all items of a group are of one class.
    blocks : (n,) number of its block of places; all items of a group are in one block.

    Returns
    -------
    Up to five folds; none where no class has two groups. A class of a single group is in no fold that tests.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    of_groups = labels[first]
    judged = np.bincount(of_groups)[of_groups] > 1
    if len(np.unique(of_groups[judged])) < 2:
        return []
    candidates = np.flatnonzero(judged)
    classes, where = of_groups[candidates], blocks[first][candidates]
    n = min(_FOLDS, len(np.unique(where)))
    found: list[Fold] = []
    if n > 1:
        folding = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a rare class is missing in some folds
            found = list(folding.split(classes, classes, where))
    if not found or not _has_all(found, classes):
        n = min(_FOLDS, int(np.bincount(classes)[np.unique(classes)].min()))
        found = list(StratifiedKFold(n, shuffle=True, random_state=seed).split(classes, classes))
    folds = []
    for _, test in found:
        tests = np.isin(group, candidates[test])
        folds.append((np.flatnonzero(~tests), np.flatnonzero(tests)))
    return folds


def _has_all(folds: list[Fold], classes: _Indexes) -> bool:
    """Whether every training side has all classes."""
    n = len(np.unique(classes))
    return all(len(np.unique(classes[train])) == n for train, test in folds if len(test))


def probabilities_out_of_fold(
    method: Method,
    values: npt.NDArray[np.float32],
    labels: _Indexes,
    folds: list[Fold],
    blocks: _Indexes,
    *,
    n_classes: int,
    seed: int,
) -> Iterator[tuple[_Indexes, npt.NDArray[np.float64]]]:
    """Predict the probabilities of each fold by a classifier of all other items.

    Parameters
    ----------
    values : (n, features) of each item, finite.
    labels, blocks : (n,) class index, and number of the block of places.

    Yields
    ------
    Positions (m,) of the items of a fold and their probabilities (m, classes).
    """
    for train, test in folds:
        model = fit_probabilities(
            method,
            values[train],
            labels[train].astype(np.int64),
            blocks[train],
            n_classes=n_classes,
            seed=seed,
        )
        if model is not None and len(test):
            yield test, model.predict(values[test])
