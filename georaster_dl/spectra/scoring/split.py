"""Which rows of a table a network learns from, which choose, which set its intervals, which test."""

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

__all__ = ["Division", "check_enough", "divide", "folds_of"]

_Mask = npt.NDArray[np.bool_]

_FEWEST = 10  # to learn from
_FOLDS = 5  # one of them tests, and one of the others' chooses the epoch
_PLENTY = 300  # from here on, a tenth of what is learnt from can be spared for the intervals


@dataclass(frozen=True, eq=False)
class Division:
    """Rows of a table by what they are for.

    Attributes
    ----------
    learnt : (n,) what networks are given: to learn from, or to choose the epoch.
    held_out : (parts, n) those of them that choose the epoch of a network; of several parts each
        network takes another, so that together they learn from all.
    calibrated : (n,) what intervals of values are set by: others where there are plenty, else those
        that choose the epoch, which are one part then.
    test : (n,) what nothing was learnt from or chosen on.
    said : how they were divided.
    """

    learnt: _Mask
    held_out: _Mask
    calibrated: _Mask
    test: _Mask
    said: str

    @property
    def spared(self) -> bool:
        """Whether the intervals have spectra of their own."""
        return bool(self.calibrated.any() and not (self.calibrated & self.learnt).any())


def divide(
    table: SpectraTable,
    known: _Mask,
    *,
    split_column: str | None = None,
    group: str | None = None,
    classes: npt.NDArray[np.object_] | None = None,
    seed: int = 0,
    intervals: bool = True,
) -> Division:
    """Divide the rows (n,) whose target is ``known``, by a column or by chance.

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
        learnt, held_out = known & ~test, np.zeros(len(table), bool)
        said = f"one fifth of the {'spectra' if group is None else group} tests, by chance"
    else:
        parts = parts_by_column(table, split_column)
        test, held_out = (known & (parts == part) for part in (TEST, VALIDATION))
        learnt = known & (parts == TRAIN) | held_out
        said = f"by column {split_column}"
    check_enough(table, int((learnt & ~held_out).sum()), "known and that are learnt from")
    if not test.any():
        raise OptionError(f"No row of {table.name} that tests has a known value; check the split.")
    calibrated = np.zeros(len(table), bool)
    if intervals and classes is None and (learnt & ~held_out).sum() >= _PLENTY:
        calibrated = folds_of(learnt & ~held_out, 2 * _FOLDS, groups, classes, seed)[0]
        learnt = learnt & ~calibrated
    choosing = held_out[None]
    if not held_out.any():
        choosing = np.stack(folds_of(learnt, _FOLDS, groups, classes, seed))
    if intervals and classes is None and not calibrated.any():
        # An interval must be set by what no network learnt from.
        choosing = choosing[:1]
        calibrated = choosing[0]
    return Division(learnt, choosing, calibrated, test, said)


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
