"""Splits of a table's rows: training, validation, calibration of intervals, test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.spectra.scoring.folds import cross_validation, parts_by_column
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.tiling.split_blocks import TEST, TRAIN, VALIDATION

__all__ = ["RowSplit", "check_enough", "folds_of", "split_rows"]

_Mask = npt.NDArray[np.bool_]

_FEWEST = 10  # to learn from
_FOLDS = 5  # one of them tests, and one of the others' chooses the epoch
_PLENTY = 300  # from here on, a tenth of what is learnt from can be spared for the intervals


@dataclass(frozen=True, eq=False)
class RowSplit:
    """Row masks of a table: training, validation, calibration and test.

    Attributes
    ----------
    train : (n,) rows that networks are given, those of validation included.
    validation : (parts, n) rows of them that choose the epoch of a network; of several parts each
        network takes another, so that together they learn from all.
    calibration : (n,) rows that set the intervals of values: others where there are plenty, else
        those of validation, which are one part then.
    test : (n,) rows that nothing was learnt from or chosen on.
    description : how the rows were divided.
    """

    train: _Mask
    validation: _Mask
    calibration: _Mask
    test: _Mask
    description: str

    @property
    def has_own_calibration(self) -> bool:
        """Whether the intervals have spectra of their own."""
        return bool(self.calibration.any() and not (self.calibration & self.train).any())


def split_rows(
    table: SpectraTable,
    known: _Mask,
    *,
    split_column: str | None = None,
    group: str | None = None,
    classes: npt.NDArray[np.object_] | None = None,
    seed: int = 0,
    intervals: bool = True,
) -> RowSplit:
    """Split the rows (n,) whose target is ``known``, by a column or by chance.

    Parameters
    ----------
    split_column : as in ``folds.parts_by_column``; one fifth tests when None.
    group : column of samples, whose rows stay together.
    classes : (n,) of which all parts get their share.
    intervals : whether rows are needed that set intervals of values.

    Raises
    ------
    OptionError
        When a column is not there or not understood, or too few rows are left.
    """
    groups = None if group is None else table.classes(group)
    if split_column is None:
        check_enough(table, int(known.sum()), "known")
        test = folds_of(known, _FOLDS, groups, classes, seed)[0]
        train, validation = known & ~test, np.zeros(len(table), bool)
        description = f"one fifth of the {'spectra' if group is None else group} tests, by chance"
    else:
        parts = parts_by_column(table, split_column)
        test, validation = (known & (parts == part) for part in (TEST, VALIDATION))
        train = known & (parts == TRAIN) | validation
        description = f"by column {split_column}"
    check_enough(table, int((train & ~validation).sum()), "known and that are learnt from")
    if not test.any():
        raise OptionError(f"No row of {table.name} that tests has a known value; check the split.")
    calibration = np.zeros(len(table), bool)
    if intervals and classes is None and (train & ~validation).sum() >= _PLENTY:
        calibration = folds_of(train & ~validation, 2 * _FOLDS, groups, classes, seed)[0]
        train = train & ~calibration
    parts_of_validation = validation[None]
    if not validation.any():
        parts_of_validation = np.stack(folds_of(train, _FOLDS, groups, classes, seed))
    if intervals and classes is None and not calibration.any():
        # An interval must be set by what no network learnt from.
        parts_of_validation = parts_of_validation[:1]
        calibration = parts_of_validation[0]
    return RowSplit(train, parts_of_validation, calibration, test, description)


def folds_of(
    rows: _Mask,
    n_folds: int,
    groups: npt.NDArray[np.object_] | None,
    classes: npt.NDArray[np.object_] | None,
    seed: int,
) -> list[_Mask]:
    """Masks (n,) of the folds into which rows (n,) fall; raises as ``cross_validation``."""
    places = np.flatnonzero(rows)
    folds = cross_validation(
        len(places), n_folds, groups=_of(groups, places), classes=_of(classes, places), seed=seed
    )
    return [np.isin(np.arange(len(rows)), places[measured]) for _, measured in folds]


def _of(names: npt.NDArray[np.object_] | None, places: npt.NDArray[Any]) -> Any:
    return None if names is None else names[places]


def check_enough(table: SpectraTable, n: int, what: str) -> None:
    """Stop where ``n`` spectra are too few.

    Raises
    ------
    OptionError
        When there are fewer than 10.
    """
    if n < _FEWEST:
        raise OptionError(
            f"{table.name} has {counted(n, 'spectrum')} whose value is {what}, but at least {_FEWEST} are needed; give "
            f"more rows, or check the target and the split."
        )
