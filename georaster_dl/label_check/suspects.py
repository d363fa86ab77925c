"""Confident learning (Northcutt et al. 2021): labels that predictions of others' making contradict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError

__all__ = ["Suspects", "find_suspects"]

_Floats = npt.NDArray[np.float64]
_Indexes = npt.NDArray[np.intp]

_MOSTLY = 0.5  # share of suspect items from which a group is suspect
_DOUBT = 3  # items of no opinion, that a group's are ranked with


@dataclass(frozen=True, eq=False)
class Suspects:
    """Labels of groups, or of single items, with how suspect they are.

    Attributes
    ----------
    own : (groups,) class index of the label; -1 where it could not be judged.
    suggested : (groups,) class index that the predictions suggest in its place.
    share : (groups,) share of the items that are suspect, NaN where none could be judged.
    score : (groups,) mean probability of the suggested class less that of the label, -1 to 1; NaN as above.
    items : (groups,) number of items that were judged.
    thresholds : (classes,) mean probability of a class among its own labels, from which it counts as predicted;
        NaN where it has no label.
    """

    own: _Indexes
    suggested: _Indexes
    share: _Floats
    score: _Floats
    items: _Indexes
    thresholds: _Floats

    def __len__(self) -> int:
        return len(self.own)

    @property
    def suspect(self) -> npt.NDArray[np.bool_]:
        """(groups,) True where half of the items are suspect, and another class is likelier than the label."""
        with np.errstate(invalid="ignore"):
            return np.asarray((self.share >= _MOSTLY) & (self.score > 0))

    @property
    def order(self) -> _Indexes:
        """(groups,) positions, the most suspect first: suspects, then the others, then those not judged.

        By score, as if three items more were in each group whose score is 0, so many items count more than one.
        """
        ranked = self.score * self.items / (self.items + _DOUBT)
        return np.lexsort((-np.nan_to_num(ranked, nan=-2), ~self.suspect))


def find_suspects(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    n_groups: int | None = None,
) -> Suspects:
    """Find labels that are probably wrong, from probabilities of models that have not seen them.

    A class counts as predicted where its probability reaches its threshold, the mean of that class among its own
    labels; where several do, the likeliest. An item is suspect where a class other than its label is predicted so
    (confident learning, Northcutt et al. 2021), and a group, such as a polygon, where half of its items are, as long as
    the mean of its probabilities does not favour its label.

    Parameters
    ----------
    probabilities : (n, classes) of each item, out of fold; NaN in all classes where there are none.
    labels : (n,) class index of each, negative where it is not known. Those are not judged.
    groups : (n,) number of the group of each item, from 0; all items of a group have one label. None judges items.
    n_groups : number of groups, where the last may have no item.

    Raises
    ------
    OptionError
        When the shapes do not fit, a label is none of the classes, or a group has two labels.
    """
    probabilities = np.asarray(probabilities, np.float64)
    labels = np.asarray(labels, np.intp)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups, np.intp)
    _check(probabilities, labels, groups)
    judged = (labels >= 0) & np.isfinite(probabilities).all(axis=1)
    n = int(groups.max(initial=-1)) + 1 if n_groups is None else n_groups
    of_items, own_labels, place = probabilities[judged], labels[judged], groups[judged]
    thresholds = _thresholds(of_items, own_labels)
    items = np.bincount(place, minlength=n)
    own = np.full(n, -1, np.intp)
    own[place] = own_labels
    share = _mean(_contradicted(of_items, own_labels, thresholds), place, items)
    means = np.stack([_mean(column, place, items) for column in of_items.T], axis=1)
    here = np.flatnonzero(items)
    others = means[here]
    of_own = others[np.arange(len(here)), own[here]].copy()
    others[np.arange(len(here)), own[here]] = -1
    suggested, score = np.full(n, -1, np.intp), np.full(n, np.nan)
    suggested[here] = others.argmax(axis=1)
    score[here] = others.max(axis=1) - of_own
    return Suspects(own, suggested, share, score, items, thresholds)


def _thresholds(probabilities: _Floats, labels: _Indexes) -> _Floats:
    """(classes,) mean probability of each class among the items labelled so, NaN without any."""
    n = probabilities.shape[1]
    counts = np.bincount(labels, minlength=n)
    sums = np.bincount(labels, probabilities[np.arange(len(labels)), labels], minlength=n)
    thresholds: _Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return thresholds


def _contradicted(probabilities: _Floats, labels: _Indexes, thresholds: _Floats) -> _Floats:
    """(n,) 1 where a class other than the label is predicted, 0 elsewhere."""
    reached = probabilities >= np.nan_to_num(thresholds, nan=np.inf)
    likeliest = np.where(reached, probabilities, -1).argmax(axis=1)
    contradicted: _Floats = (reached.any(axis=1) & (likeliest != labels)).astype(np.float64)
    return contradicted


def _mean(values: _Floats, place: _Indexes, items: _Indexes) -> _Floats:
    """(groups,) mean of the items' values, NaN where a group has none."""
    sums = np.bincount(place, values, minlength=len(items))
    means: _Floats = np.where(items > 0, sums / np.maximum(items, 1), np.nan)
    return means


def _check(probabilities: _Floats, labels: _Indexes, groups: _Indexes) -> None:
    if probabilities.ndim != 2 or not labels.shape == groups.shape == probabilities.shape[:1]:
        raise OptionError(
            f"Probabilities must be (n, classes), labels and groups (n,), but got {probabilities.shape}, {labels.shape} and "
            f"{groups.shape}."
        )
    if labels.max(initial=-1) >= probabilities.shape[1]:
        raise OptionError(
            f"Labels must be indexes of the {probabilities.shape[1]} classes of the probabilities, but there is "
            f"{labels.max()}; count classes from 0."
        )
    pairs = np.unique(np.stack([groups, labels])[:, labels >= 0], axis=1)
    if len(np.unique(pairs[0])) < pairs.shape[1]:
        raise OptionError(
            "All items of a group must have one label; give groups of one class, such as polygons."
        )
