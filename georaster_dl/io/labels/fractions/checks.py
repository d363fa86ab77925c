"""Checks of labels that are fractions of a whole: their scale and their sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted

__all__ = ["OTHER", "FractionScale", "FractionSet", "all_names", "normalised"]

OTHER = "other"
"""Name of what a single fraction leaves of a pixel."""

_PERCENT = 100.0
_ROUNDED = 1e-3  # of a sum: nobody needs to hear of it
_OFF = 0.02  # of a sum: rounded percents, not another class
_BELOW = 1e-6  # 0 less what a computation loses

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FractionSet:
    """Fractions that the labels of a training or a map give.

    Attributes
    ----------
    names : of the fractions, in the order of their planes.
    fields : fields or bands that hold them; of a single one the rest is a fraction of its own.
    percent : whether the numbers are percents.
    legend : classes whose shares of a pixel are the fractions; None where fields or bands hold them.
    """

    names: tuple[str, ...]
    fields: tuple[str, ...] = ()
    percent: bool = False
    legend: Legend | None = None


def all_names(fields: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the fractions of a pixel: those of the fields, and of the rest where there is only one."""
    if len(fields) > 1:
        return tuple(fields)
    return (fields[0], OTHER if fields[0].casefold() != OTHER else "rest")


def normalised(values: Values, *, percent: bool) -> Values:
    """Scale checked values (n, fields) to fractions (n, names) that sum to 1; rows with a NaN stay NaN."""
    fractions = np.clip(values / (_PERCENT if percent else 1.0), 0.0, 1.0)
    if fractions.shape[1] == 1:
        return np.concatenate([fractions, 1.0 - fractions], axis=1)
    scaled: Values = fractions / fractions.sum(axis=1, keepdims=True)
    return scaled


class FractionScale:
    """Scale of fractions, 0 to 1 or percent, found over all rows of all label files.

    Parameters
    ----------
    fields : names of the fields or bands; of one field alone the rest is a fraction of its own.
    option : setting that names the fields, for messages.
    """

    def __init__(self, fields: Sequence[str], option: str = "fraction_fields") -> None:
        self._fields = list(fields)
        self._option = option
        self._of: dict[float, str] = {}  # scale, and a row that has it
        self._rows = self._off = self._small = 0
        self._worst = 0.0
        self._largest = 0.0

    def add(self, values: Values, row: Callable[[int], str], *, rounding: float = 0.0) -> None:
        """Check rows (n, fields) without NaN.

        Parameters
        ----------
        row : names the row of a number for a message: ``"plots.gpkg, fid 7"``.
        rounding : by how much a sum may be off 1 because of how the values are stored.

        Raises
        ------
        OptionError
            When a value is no fraction, or a row's values sum neither to 1 nor to 100.
        """
        if not len(values):
            return
        self._check_range(values, row)
        if len(self._fields) == 1:
            self._add_single(values[:, 0], row)
            return
        sums = values.sum(axis=1)
        scale = np.where(sums > np.sqrt(_PERCENT), _PERCENT, 1.0)
        off = np.abs(sums / scale - 1)
        beyond = off > _OFF + 1e-9
        if beyond.any():
            first = int(beyond.argmax())
            stated = ", ".join(
                f"{name} {value:g}" for name, value in zip(self._fields, values[first], strict=True)
            )
            raise OptionError(
                f"The fractions of {row(first)} sum to {sums[first]:.4g} ({stated}), but 1, or 100 in percent, is "
                f"expected; correct them, or name all fields of the whole in `{self._option}=` (of one field alone "
                f"the rest is the fraction {OTHER!r})."
            )
        for one in np.unique(scale):
            self._of.setdefault(float(one), row(int((scale == one).argmax())))
        self._rows += len(values)
        self._off += int((off > max(_ROUNDED, rounding)).sum())
        self._worst = max(self._worst, float(off.max()))
        self._largest = max(self._largest, float(values.max()))

    def percent(self, warn: Callable[[str], None]) -> bool:
        """Return whether the values are percents.

        Parameters
        ----------
        warn : called with what is assumed: percents, and sums that are not quite 1.

        Raises
        ------
        OptionError
            When some rows are percents and others are not.
        """
        percent = _PERCENT in self._of
        names = ", ".join(self._fields)
        mixed = (
            len(self._of) > 1 if len(self._fields) > 1 else percent and 2 * self._small > self._rows
        )
        if mixed:
            example = self._of.get(1.0, "most rows")
            raise OptionError(
                f"The fractions ({names}) are of two scales: 0 to 1 in {example}, percent in {self._of[_PERCENT]}; "
                f"give all in one."
            )
        if percent:
            warn(
                f"the fractions ({names}) are taken for percents, as they reach {self._largest:g}, and divided by 100"
            )
        if self._off:
            warn(
                f"the fractions ({names}) of {self._off:,} of {counted(self._rows, 'row')} do not sum to "
                f"{'100' if percent else '1'} (up to {100 * self._worst:.2g} % off) and are divided by their sum"
            )
        return percent

    def _add_single(self, values: npt.NDArray[np.float64], row: Callable[[int], str]) -> None:
        beyond = values > 1
        if beyond.any():
            self._of.setdefault(_PERCENT, row(int(beyond.argmax())))
        self._small += int(((values > 0) & (values < 1)).sum())
        self._rows += len(values)
        self._largest = max(self._largest, float(values.max()))

    def _check_range(self, values: Values, row: Callable[[int], str]) -> None:
        wrong = (values < -_BELOW) | (values > _PERCENT * (1 + _OFF))
        if len(self._fields) == 1:
            wrong |= values > _PERCENT
        if wrong.any():
            first, field = (int(place[0]) for place in wrong.nonzero())
            raise OptionError(
                f"{row(first)} has {values[first, field]:g} as fraction {self._fields[field]!r}, but fractions are 0 to 1, "
                f"or 0 to 100 in percent; correct it, or if it means unlabelled give `ignore={values[first, field]:g}`."
            )
