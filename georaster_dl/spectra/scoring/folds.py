"""Training, validation and test spectra by a column, and cross-validation that keeps samples whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.tiling.split_blocks import NO_PART, TEST, TRAIN, VALIDATION

__all__ = ["Fold", "NamedColumns", "cross_validation", "parts_by_column"]

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


def cross_validation(
    n: int, n_folds: int, *, groups: _Names | None, classes: _Names | None, seed: int
) -> list[Fold]:
    """At most ``n_folds`` folds of ``n`` spectra.

    Parameters
    ----------
    groups : (n,) sample of each spectrum: its spectra stay in one fold. None or a missing sample is a
        sample of its own.
    classes : (n,) class of each, which all folds get their share of.

    Raises
    ------
    OptionError
        When there are fewer than two samples.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    numbers = _numbered(groups, n)
    n_samples = len(np.unique(numbers))
    if n_samples < 2:
        raise OptionError(
            f"Cross-validation needs two samples or more, but got {counted(n, 'spectrum')} of {n_samples}; check the "
            f"column of groups."
        )
    n_folds = min(n_folds, n_samples)
    codes = np.arange(n)
    stratified = False
    if classes is not None:
        codes = np.unique(classes.astype(str), return_inverse=True)[1]
        rarest = int(np.bincount(codes).min())
        # No more folds than spectra of the rarest class, or some would lack it.
        stratified, n_folds = rarest > 1, max(2, min(n_folds, rarest))
    if n_samples == n:
        kind, samples = (StratifiedKFold if stratified else KFold), None
    else:
        kind, samples = (StratifiedGroupKFold if stratified else GroupKFold), numbers
    return list(kind(n_folds, shuffle=True, random_state=seed).split(codes, codes, samples))


def _numbered(groups: _Names | None, n: int) -> npt.NDArray[np.intp]:
    """(n,) number of each spectrum's sample."""
    if groups is None:
        return np.arange(n)
    names = [f"{i} alone" if group is None else f"{group}" for i, group in enumerate(groups)]
    return np.asarray(np.unique(names, return_inverse=True)[1])
