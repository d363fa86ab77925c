"""How often each class of a map meets each class of the reference, and the scores that follow."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted

__all__ = ["Confusion"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of (map class, reference class) pairs: rows are the map, columns the reference.

    A score of a class that does not occur where the score looks is NaN, never 0 or 1: the user's
    accuracy of a class that was not mapped; the producer's, F1 and IoU of one that the reference
    lacks, which nothing was tested on. What is falsely mapped so still counts: in that class's user's
    accuracy, and against the classes that it really is.

    Attributes
    ----------
    names : class of each row, and of each column in the same order.
    counts : (classes, classes) numbers of pixels or points.
    """

    names: tuple[str, ...]
    counts: npt.NDArray[np.int64] = field(repr=False)

    def __post_init__(self) -> None:
        """Check that the matrix has a row and a column per name."""
        if self.counts.shape != (len(self.names), len(self.names)):
            raise OptionError(
                f"A confusion matrix of {counted(len(self.names), 'class')} is square of that size, but got "
                f"shape {self.counts.shape}; give counts as (map, reference)."
            )

    @classmethod
    def empty(cls, names: tuple[str, ...]) -> Confusion:
        """A matrix of zeros, to add to."""
        return cls(names, np.zeros((len(names), len(names)), np.int64))

    @classmethod
    def of(
        cls,
        predicted: npt.NDArray[np.integer],
        reference: npt.NDArray[np.integer],
        names: tuple[str, ...],
    ) -> Confusion:
        """Count pairs of class indexes.

        Parameters
        ----------
        predicted, reference : indexes into ``names``, of one shape. Pairs with a negative index on
            either side (nodata, unlabelled) do not count.
        names : the classes.

        Raises
        ------
        OptionError
            When the shapes differ or an index has no name.
        """
        if predicted.shape != reference.shape:
            raise OptionError(
                f"Map and reference must have one shape, but have {predicted.shape} and "
                f"{reference.shape}."
            )
        n = len(names)
        known = (predicted >= 0) & (reference >= 0)
        rows = predicted[known].astype(np.int64)
        cols = reference[known].astype(np.int64)
        highest = max(rows.max(initial=-1), cols.max(initial=-1))
        if highest >= n:
            raise OptionError(f"Class index {highest} has no name among {counted(n, 'class')}.")
        return cls(names, np.bincount(rows * n + cols, minlength=n * n).reshape(n, n))

    def __add__(self, other: Confusion) -> Confusion:
        if self.names != other.names:
            raise OptionError(
                f"Only matrices of the same classes add up, not {self.names} and {other.names}."
            )
        return Confusion(self.names, self.counts + other.counts)

    @property
    def total(self) -> int:
        """Number of pairs counted."""
        return int(self.counts.sum())

    @property
    def mapped(self) -> npt.NDArray[np.int64]:
        """(classes,) pairs per map class: row sums."""
        return np.asarray(self.counts.sum(axis=1), np.int64)

    @property
    def referenced(self) -> npt.NDArray[np.int64]:
        """(classes,) pairs per reference class: column sums."""
        return np.asarray(self.counts.sum(axis=0), np.int64)

    @property
    def correct(self) -> npt.NDArray[np.int64]:
        """(classes,) pairs that agree: the diagonal."""
        return np.diagonal(self.counts)

    @property
    def occurs(self) -> npt.NDArray[np.bool_]:
        """(classes,) whether the class occurs in the map or in the reference."""
        return (self.mapped + self.referenced) > 0

    @property
    def overall_accuracy(self) -> float:
        """Share of pairs that agree, 0-1; also micro precision, recall and F1."""
        return float(_ratio(self.correct.sum(), self.total))

    @property
    def users(self) -> _Floats:
        """User's accuracy (precision), (classes,): correct share of the pixels mapped as the class."""
        return _ratio(self.correct, self.mapped)

    @property
    def producers(self) -> _Floats:
        """Producer's accuracy (recall), (classes,): correctly mapped share of the class's reference."""
        return _ratio(self.correct, self.referenced)

    @property
    def f1(self) -> _Floats:
        """(classes,) harmonic mean of user's and producer's accuracy; NaN without a reference."""
        return _tested(_ratio(2 * self.correct, self.mapped + self.referenced), self.referenced)

    @property
    def iou(self) -> _Floats:
        """(classes,) intersection over union of map and reference; NaN without a reference."""
        union = self.mapped + self.referenced - self.correct
        return _tested(_ratio(self.correct, union), self.referenced)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that the reference has, each weighing alike.

        A class that only the map has was not tested, so it is left out; where it is mapped, the IoU of
        the class that is really there is lower.
        """
        return _mean(self.iou)

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the same classes as :attr:`mean_iou`."""
        return _mean(self.f1)

    @property
    def kappa(self) -> float:
        """Cohen's kappa, for comparison with old tables only.

        Its chance model is arbitrary and it depends on prevalence (Pontius & Millones 2011; Foody
        2020): read the quantity and allocation disagreement instead. NaN where all pairs are of one
        class.
        """
        chance = float(_ratio((self.mapped / max(self.total, 1)) @ self.referenced, self.total))
        return float(_ratio(self.overall_accuracy - chance, 1 - chance))

    @property
    def quantity_disagreement(self) -> float:
        """Half the sum of abs(p_i. - p_.i): error because the amounts of the classes differ, 0-1.

        Pontius & Millones 2011; with the allocation disagreement it adds up to 1 - overall accuracy.
        """
        return float(_ratio(np.abs(self.mapped - self.referenced).sum() / 2, self.total))

    @property
    def allocation_disagreement(self) -> float:
        """Sum of min(p_i. - p_ii, p_.i - p_ii): error of location, 0-1."""
        misplaced = np.minimum(self.mapped, self.referenced) - self.correct
        return float(_ratio(misplaced.sum(), self.total))


def _tested(scores: _Floats, referenced: npt.NDArray[np.int64]) -> _Floats:
    """Set scores to NaN for classes that the reference lacks."""
    return np.where(referenced > 0, scores, np.nan)


def _ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> _Floats:
    """Divide; NaN where the whole is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    out: _Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)
    return out


def _mean(scores: _Floats) -> float:
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if known.size else float("nan")
