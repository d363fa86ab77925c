"""Training, validation and test spectra by a column, and cross-validation that keeps samples whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.tiling.split_blocks import NO_PART, TEST, TRAIN, VALIDATION

__all__ = [
    "Fold",
    "FoldKind",
    "Folding",
    "NamedColumns",
    "Samples",
    "cross_validation",
    "numbered",
    "parts_by_column",
]

FoldKind = Literal["random", "venetian-blinds", "contiguous-blocks", "date"]

Fold = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
"""Positions of the training spectra, and of the validation spectra."""

_Names = npt.NDArray[np.object_]


class NamedColumns(Protocol):
    """Table of which the class names in a column can be asked for."""

    @property
    def name(self) -> str:
        """Name of the table, for messages."""

    def classes(self, name: str) -> _Names:
        """(n,) names in a column, None where the cell is empty."""


_WORDS = {
    **dict.fromkeys(("train", "training", "cal", "calibration"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "tuning"), VALIDATION),
    **dict.fromkeys(("test", "testing", "prediction"), TEST),
}
_YES_NO = {"0": False, "1": True, "false": False, "true": True}


def parts_by_column(
    table: NamedColumns, name: str, test: Sequence[str] = ()
) -> npt.NDArray[np.int8]:
    """Assign rows to training, validation and test by the values of a column.

    Understood are ``train``, ``validation`` and ``test`` (or ``calibration``, ``prediction``), 0 and 1
    where the column's name begins with train or test, and years, of which the last is the test.

    Parameters
    ----------
    test : values of the rows that test; all other rows train. Any column can then be used.

    Returns
    -------
    (n,) index into ``splits.PARTS``; ``NO_PART`` where the column is empty.

    Raises
    ------
    OptionError
        When the column is not understood, or nothing is left to train on or to test.
    """
    values = table.classes(name)
    known = sorted({value for value in values if value is not None})
    part_of = _named_test(known, name, test) if test else _understood(known, name)
    parts = np.array([part_of.get(value, NO_PART) for value in values], np.int8)
    if not {TRAIN, TEST} <= set(parts.tolist()):
        raise OptionError(
            f"Column {name!r} with the values {listed(known)} leaves nothing to train on or nothing to "
            f"test; name another column, or the values that test."
        )
    return parts


def _named_test(known: Sequence[str], name: str, test: Sequence[str]) -> dict[str | None, int]:
    absent = [value for value in test if value not in known]
    if absent:
        raise OptionError(f"Column {name!r} has no value {listed(absent)}; it has {listed(known)}.")
    return {value: TEST if value in test else TRAIN for value in known}


def _understood(known: Sequence[str], name: str) -> dict[str | None, int]:
    words = {value: value.casefold() for value in known}
    start = name.casefold()
    if all(word in _WORDS for word in words.values()):
        return {value: _WORDS[word] for value, word in words.items()}
    if all(word in _YES_NO for word in words.values()) and start.startswith(("train", "test")):
        trains = start.startswith("train")
        return {value: TRAIN if _YES_NO[word] is trains else TEST for value, word in words.items()}
    if all(value.isdecimal() and 1900 <= int(value) <= 2100 for value in known):
        return {value: TEST if value == max(known) else TRAIN for value in known}
    raise OptionError(
        f"Column {name!r} with the values {listed(known)} does not say which rows test; name the "
        f"values that do, or give a column of train, validation and test."
    )


@dataclass(frozen=True)
class Folding:
    """Way in which samples are divided for cross-validation.

    Attributes
    ----------
    kind : ``random``; ``venetian-blinds``, every ``n_folds``-th sample in the order of the rows;
        ``contiguous-blocks``, runs of samples in that order; ``date``, runs of dates, none of which is divided.
    n_folds : number of folds, at most.
    repeats : runs with other random folds.
    """

    kind: FoldKind = "random"
    n_folds: int = 5
    repeats: int = 1

    def __post_init__(self) -> None:
        if self.kind not in get_args(FoldKind):
            raise OptionError(
                f"{self.kind!r} is no way of cross-validation; known are {', '.join(get_args(FoldKind))}."
            )
        if self.n_folds < 2 or self.repeats < 1:
            raise OptionError(
                f"Cross-validation takes 2 folds or more, once or more, but got {counted(self.n_folds, 'fold')} and "
                f"{counted(self.repeats, 'repeat')}."
            )
        if self.kind != "random" and self.repeats > 1:
            raise OptionError(
                f"Folds of {self.kind} are the same in every repeat, but {self.repeats} repeats are asked for; leave "
                f"`repeats=` out, or take random folds."
            )

    def divide(self, samples: Samples, seed: int) -> list[list[Fold]]:
        """Divide samples into folds, anew in each repeat; raises as ``cross_validation``."""
        return [
            cross_validation(
                samples.n, self.n_folds, groups=samples.groups, classes=samples.classes,
                seed=seed + 1000 * repeat, kind=self.kind, dates=samples.dates,
            )
            for repeat in range(self.repeats)
        ]  # fmt: skip

    def __str__(self) -> str:
        times = f", {self.repeats} times" if self.repeats > 1 else ""
        return f"{counted(self.n_folds, 'fold')} ({self.kind}{times})"


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples, classes and dates of spectra, by which folds are made.

    Attributes
    ----------
    n : number of spectra.
    groups : (n,) sample of each spectrum; None where each is its own.
    classes : (n,) class of each, None for values.
    dates : (n,) of each, NaT where not known; None where there are none.
    """

    n: int
    groups: _Names | None = None
    classes: _Names | None = None
    dates: npt.NDArray[np.datetime64] | None = None

    def of(self, rows: npt.NDArray[np.bool_]) -> Samples:
        """Those of some rows (n,)."""
        parts = [part if part is None else part[rows] for part in (self.groups, self.classes)]
        dates = None if self.dates is None else self.dates[rows]
        return Samples(int(rows.sum()), parts[0], parts[1], dates)


def cross_validation(
    n: int,
    n_folds: int,
    *,
    groups: _Names | None,
    classes: _Names | None,
    seed: int,
    kind: FoldKind = "random",
    dates: npt.NDArray[np.datetime64] | None = None,
) -> list[Fold]:
    """At most ``n_folds`` folds of ``n`` spectra.

    Parameters
    ----------
    groups : (n,) sample of each spectrum: its spectra stay in one fold. None or a missing sample is a
        sample of its own.
    classes : (n,) class of each, which all folds get their share of where they are random.
    kind : as in ``Folding``.
    dates : (n,), for folds of dates; spectra without one count as of the last date.

    Raises
    ------
    OptionError
        When there are fewer than two samples, or dates.
    """
    numbers = numbered(groups, n)
    n_samples = len(np.unique(numbers))
    if n_samples < 2:
        raise OptionError(
            f"Cross-validation needs two samples or more, but got {counted(n, 'spectrum')} of {n_samples}; check the "
            f"column of groups."
        )
    if kind == "random":
        return _random(n, n_folds, numbers, classes, seed)
    return _by_number(_of_samples(kind, n_folds, numbers, dates))


def _random(
    n: int, n_folds: int, numbers: npt.NDArray[np.intp], classes: _Names | None, seed: int
) -> list[Fold]:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    n_samples = len(np.unique(numbers))
    n_folds = min(n_folds, n_samples)
    codes = np.arange(n)
    stratified = False
    if classes is not None:
        codes = np.unique(classes.astype(str), return_inverse=True)[1]
        rarest = int(np.bincount(codes).min())
        # No more folds than spectra of the rarest class, or some would lack it.
        stratified, n_folds = rarest > 1, max(2, min(n_folds, rarest))
    if n_samples == n:
        chosen, samples = (StratifiedKFold if stratified else KFold), None
    else:
        chosen, samples = (StratifiedGroupKFold if stratified else GroupKFold), numbers
    return list(chosen(n_folds, shuffle=True, random_state=seed).split(codes, codes, samples))


def _of_samples(
    kind: FoldKind,
    n_folds: int,
    numbers: npt.NDArray[np.intp],
    dates: npt.NDArray[np.datetime64] | None,
) -> npt.NDArray[np.intp]:
    """(n,) number of each spectrum's fold, by the order of the samples or their dates."""
    # Samples by their first row, in which order venetian blinds and blocks go.
    _, firsts, places = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(firsts))[places]
    if kind == "venetian-blinds":
        return np.asarray(rank % n_folds)
    if kind == "contiguous-blocks":
        return np.asarray(rank * min(n_folds, len(firsts)) // len(firsts))
    if dates is None:
        raise OptionError("Folds of dates need a column of dates; name it by `date_column=`.")
    earliest = np.full(len(firsts), np.datetime64("NaT"), dates.dtype)
    np.fmin.at(earliest, places, dates)
    days, of_samples, sizes = np.unique(earliest[places], return_inverse=True, return_counts=True)
    if len(days) < 2:
        raise OptionError("Folds of dates need two dates or more, but all samples have one.")
    if len(days) <= n_folds:
        return np.asarray(of_samples)
    before = np.cumsum(sizes) - sizes
    return np.asarray((before * n_folds // len(numbers))[of_samples])


def _by_number(fold_of: npt.NDArray[np.intp]) -> list[Fold]:
    return [
        (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
        for fold in np.unique(fold_of)
    ]


def numbered(groups: _Names | None, n: int) -> npt.NDArray[np.intp]:
    """(n,) number of each spectrum's sample; without one it is a sample of its own."""
    if groups is None:
        return np.arange(n)
    names = [f"{i} alone" if group is None else f"{group}" for i, group in enumerate(groups)]
    return np.asarray(np.unique(names, return_inverse=True)[1])
