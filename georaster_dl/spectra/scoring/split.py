"""Splits of a table's rows: training, validation, calibration of intervals, test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.io.stacks.dates import parse_date
from georaster_dl.spectra.scoring.folds import Samples, cross_validation, numbered, parts_by_column
from georaster_dl.spectra.scoring.selection import duplex_test, kennard_stone, latest
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.tiling.split_blocks import TEST, TRAIN, VALIDATION

__all__ = [
    "Division",
    "RowSplit",
    "SplitKind",
    "check_enough",
    "folds_of",
    "samples_of",
    "split_rows",
]

SplitKind = Literal["random", "kennard-stone", "spxy", "duplex", "date"]

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
    def learnt(self) -> _Mask:
        """(n,) rows that do not test and have a known target."""
        return self.train | self.calibration

    @property
    def has_own_calibration(self) -> bool:
        """Whether the intervals have spectra of their own."""
        return bool(self.calibration.any() and not (self.calibration & self.train).any())


@dataclass(frozen=True)
class Division:
    """Way in which the rows that test are found.

    Attributes
    ----------
    kind : ``random``; ``kennard-stone`` or ``spxy``, by which the samples are selected that learn; ``duplex``;
        or ``date``, by which the latest test. A fifth of the samples tests.
    split_column : that states the parts, as in ``folds.parts_by_column``, instead.
    group_column : of samples, whose spectra stay together.
    date_column : of dates.
    """

    kind: SplitKind = "random"
    split_column: str | None = None
    group_column: str | None = None
    date_column: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(SplitKind):
            raise OptionError(
                f"{self.kind!r} is no way to choose the rows that test; known are {', '.join(get_args(SplitKind))}."
            )
        if self.kind != "random" and self.split_column is not None:
            raise OptionError(
                f"The rows that test are given both by `split_column={self.split_column}` and by `split={self.kind}`; "
                f"leave one of them out."
            )
        if self.kind == "date" and self.date_column is None:
            raise OptionError("A split by date needs a column of dates; name it by `date_column=`.")


def samples_of(
    table: SpectraTable, division: Division, classes: npt.NDArray[np.object_] | None = None
) -> Samples:
    """Samples and dates of all rows.

    Raises
    ------
    OptionError
        When a column is not there, or holds something else than dates.
    """
    group, day = division.group_column, division.date_column
    return Samples(
        len(table),
        None if group is None else table.classes(group),
        classes,
        None if day is None else _dates(table, day),
    )


def _dates(table: SpectraTable, column: str) -> npt.NDArray[np.datetime64]:
    """(n,) days of a column of dates or years, NaT where the cell is empty."""
    days = np.full(len(table), np.datetime64("NaT"), "datetime64[D]")
    for row, text in enumerate(table.classes(column)):
        if text is not None:
            year = text.isdecimal() and len(text) == 4
            what = f"in column {column!r} of {table.name}"
            days[row] = np.datetime64(f"{text}-01-01" if year else parse_date(text, what), "D")
    return days


def split_rows(
    table: SpectraTable,
    known: _Mask,
    division: Division = Division(),
    *,
    values: npt.NDArray[Any] | None = None,
    classes: npt.NDArray[np.object_] | None = None,
    spectra: npt.NDArray[np.float64] | None = None,
    seed: int = 0,
    intervals: bool = True,
) -> RowSplit:
    """Split the rows (n,) whose target is ``known``.

    Parameters
    ----------
    values : (n, targets) measured values, which SPXY covers.
    classes : (n,) of which all random parts get their share.
    spectra : (n, bands) among which samples are selected; the table's when None.
    intervals : whether rows are needed that set intervals of values.

    Raises
    ------
    OptionError
        When a column is not there or not understood, too few rows are left, or SPXY lacks values.
    """
    samples = samples_of(table, division, classes)
    groups = samples.groups
    if division.split_column is None:
        check_enough(table, int(known.sum()), "known")
        test = _test_rows(division, table, known, samples, values, spectra, seed)
        train, validation = known & ~test, np.zeros(len(table), bool)
        description = _described(division, numbered(groups, len(table)), known, test)
    else:
        parts = parts_by_column(table, division.split_column)
        test, validation = (known & (parts == part) for part in (TEST, VALIDATION))
        train = known & (parts == TRAIN) | validation
        description = f"by column {division.split_column}"
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


def _described(division: Division, numbers: npt.NDArray[np.intp], known: _Mask, test: _Mask) -> str:
    """Describe the samples that test: how many, and how they were chosen; each row has a sample number (n,)."""
    group = division.group_column
    things = "spectra" if group is None else f"samples ({group})"
    tested, n = (len(np.unique(numbers[rows])) for rows in (test, known))
    a_fifth = abs(tested - n / _FOLDS) < 1  # they cannot be divided further
    share = (
        f"{'' if division.kind == 'date' else 'one '}fifth of the"
        if a_fifth
        else f"{tested} of {n}"
    )
    tests = f"{share} {things} {'tests' if a_fifth else 'test'}"
    if division.kind == "date":
        return f"the latest {tests}, by {division.date_column}"
    how = {"kennard-stone": "Kennard-Stone", "spxy": "SPXY", "duplex": "Duplex"}
    return f"{tests}, by {how.get(division.kind, 'chance')}"


def _test_rows(
    division: Division,
    table: SpectraTable,
    known: _Mask,
    samples: Samples,
    values: npt.NDArray[Any] | None,
    spectra: npt.NDArray[np.float64] | None,
    seed: int,
) -> _Mask:
    """(n,) rows that test: a fifth of the samples, each with all its spectra."""
    if division.kind == "random":
        return folds_of(known, _FOLDS, samples.groups, samples.classes, seed)[0]
    places = np.flatnonzero(known)
    of_known = samples.of(known)
    numbers = np.unique(numbered(of_known.groups, of_known.n), return_inverse=True)[1]
    n_samples = int(numbers.max()) + 1
    n_test = max(2, round(n_samples / _FOLDS))
    if n_samples < 4:
        raise OptionError(
            f"To select samples that test, 4 or more are needed, but {table.name} has {n_samples} with a known value; "
            f"check the column of groups."
        )
    if division.kind == "date":
        chosen = latest(_earliest(table, division, of_known, numbers), n_test)
    else:
        means = _means(table.spectra[known] if spectra is None else spectra[known], numbers)
        chosen = _selected(division.kind, means, n_test, values, known, numbers)
    test = np.zeros(len(known), bool)
    test[places[np.isin(numbers, chosen)]] = True
    if not (known & ~test).any():
        raise OptionError(f"All rows of {table.name} would test; check the column of dates.")
    return test


def _selected(
    kind: SplitKind,
    means: npt.NDArray[np.float64],
    n_test: int,
    values: npt.NDArray[Any] | None,
    known: _Mask,
    numbers: npt.NDArray[np.intp],
) -> npt.NDArray[np.intp]:
    """Numbers of the samples that test."""
    if kind == "duplex":
        return duplex_test(means, n_test)
    standing = None
    if kind == "spxy":
        if values is None:
            raise OptionError(
                "SPXY selects by values, but classes are learnt; take Kennard-Stone (`split=kennard-stone`)."
            )
        chosen = np.asarray(values[known], np.float64)
        spread = np.nanstd(chosen, axis=0)
        standard = (chosen - np.nanmean(chosen, axis=0)) / np.where(spread > 0, spread, 1.0)
        # Where one of several values is not known, its mean says nothing of the sample.
        standing = _means(np.nan_to_num(standard), numbers)
    learn = kennard_stone(means, len(means) - n_test, standing)
    return np.setdiff1d(np.arange(len(means)), learn)


def _means(rows: npt.NDArray[np.float64], numbers: npt.NDArray[np.intp]) -> Any:
    """(samples, columns) means of rows (n, columns)."""
    sums = np.zeros((int(numbers.max()) + 1, rows.shape[1]))
    np.add.at(sums, numbers, rows)
    return sums / np.bincount(numbers)[:, None]


def _earliest(
    table: SpectraTable, division: Division, samples: Samples, numbers: npt.NDArray[np.intp]
) -> npt.NDArray[np.datetime64]:
    dates = samples.dates
    if dates is None or np.isnat(dates).any():
        missing = 0 if dates is None else int(np.isnat(dates).sum())
        raise OptionError(
            f"Column {division.date_column!r} of {table.name} has no date in {counted(missing, 'row')} with a known value; "
            f"fill or delete them."
        )
    earliest = np.full(int(numbers.max()) + 1, np.datetime64("9999-12-31"), dates.dtype)
    np.minimum.at(earliest, numbers, dates)
    return earliest


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
