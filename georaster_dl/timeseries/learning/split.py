"""Splits of samples: by a column, by regions or years left out, by folds, or by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed, nearest_names
from georaster_dl.spectra.scoring.folds import parts_by_column
from georaster_dl.spectra.scoring.split import folds_of
from georaster_dl.spectra.table.join import as_name
from georaster_dl.tiling.split_blocks import TEST, TRAIN, VALIDATION
from georaster_dl.timeseries.learning.options import SplitOptions
from georaster_dl.timeseries.patches.strips import PatchPlaces
from georaster_dl.timeseries.samples import SeriesSamples

__all__ = ["SampleFold", "SamplePlan", "plan_split"]

YEAR = "year"
_FEWEST = 10  # to learn from
_TESTED, _CHOSEN = 5, 8  # one part in so many tests, one of the others chooses the epoch

_Mask = npt.NDArray[np.bool_]
_Names = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class SampleFold:
    """Masks (N,) of the samples that teach, that choose the epoch, and that test.

    Attributes
    ----------
    name : of what tests, such as ``region Khorezm``.
    """

    name: str
    train: _Mask
    validation: _Mask
    test: _Mask


@dataclass(frozen=True, eq=False)
class SamplePlan:
    """Split of samples, or several of a cross-validation.

    Attributes
    ----------
    folds : one or several.
    final : what the model of a cross-validation is trained on in the end, all samples; None where the
        single fold's is the model.
    description : how the samples were divided.
    caution : what a reader of the accuracy should know; empty where nothing.
    """

    folds: tuple[SampleFold, ...]
    final: SampleFold | None
    description: str
    caution: str = ""


class _Columns:
    """Columns of the samples by name, for splits that were made for tables."""

    def __init__(self, samples: SeriesSamples, season_start: str) -> None:
        self.name = samples.name
        self._samples, self._season_start = samples, season_start

    def classes(self, name: str) -> _Names:
        """(N,) names in a column, None where the cell is empty."""
        groups = self._samples.groups
        if name in groups:
            return np.array([as_name(value) for value in groups[name]], object)
        if name == YEAR:
            return _years(self._samples, self._season_start)
        known = [str(column) for column in groups] + [YEAR]
        raise OptionError(
            f"{self.name} has no column {name!r}{nearest_names(name, known)}; it has {listed(known, 16)}."
        )


def plan_split(
    samples: SeriesSamples, options: SplitOptions, season_start: str, seed: int
) -> SamplePlan:
    """Split the samples whose class or value is known.

    Raises
    ------
    OptionError
        When a column is not there or not understood, or too few samples are left.
    """
    columns = _Columns(samples, season_start)
    group = options.group or samples.together
    groups = None if group is None else columns.classes(group)
    rows = _Rows(samples, groups, seed)
    if options.column is not None:
        return _by_column(rows, columns, options.column)
    if options.leave_out is not None:
        return _left_out(rows, columns, options.leave_out)
    tests = rows.parts(rows.known, options.folds or _TESTED)
    caution = ""
    if groups is None and not rows.in_strips:
        caution = (
            "The samples were split by chance, so where some lie close to others the accuracy is better than on ground "
            "elsewhere; leave out regions or years (`leave_out=`), or keep parcels together (`group=`)."
        )
    kept = "" if group is None else f", each {group} in one part"
    if rows.in_strips:
        kept = ", in strips of patches that have no neighbour in another part"
    if options.folds is None:
        fold = rows.fold("a fifth", tests[-1 if rows.in_strips else 0])
        chance = "" if rows.in_strips else ", by chance"
        return SamplePlan((fold,), None, f"one fifth of the samples tests{chance}{kept}", caution)
    folds = tuple(rows.fold(f"fold {i}", test) for i, test in enumerate(tests, 1))
    description = f"{counted(len(folds), 'fold')} of a cross-validation{kept}"
    return SamplePlan(folds, rows.fold("none", np.zeros(len(samples), bool)), description, caution)


def _by_column(rows: _Rows, columns: _Columns, name: str) -> SamplePlan:
    parts = parts_by_column(columns, name)
    train, validation, test = (rows.known & (parts == part) for part in (TRAIN, VALIDATION, TEST))
    if not test.any():
        raise OptionError(
            f"No sample of {columns.name} that tests by column {name!r} has a known label; check the split."
        )
    fold = rows.fold("test", test, train, validation if validation.any() else None)
    return SamplePlan((fold,), None, f"by column {name}")


def _left_out(rows: _Rows, columns: _Columns, stated: str) -> SamplePlan:
    """Leave out the samples of a column's value, or those of each of its values in turn."""
    name, equals, value = stated.partition("=")
    names = columns.classes(name)
    known = sorted({n for n in names[rows.known] if n is not None})
    if equals:
        if value not in known:
            raise OptionError(
                f"Column {name!r} of {columns.name} has no value {value!r}{nearest_names(value, known)} among the samples whose "
                f"label is known; it has {listed(known, 16) or 'none'}."
            )
        fold = rows.fold(f"{name} {value}", rows.known & (names == value))
        return SamplePlan((fold,), None, f"{name} {value} tests, all others teach")
    if len(known) < 2:
        raise OptionError(
            f"Column {name!r} of {columns.name} has {counted(len(known), 'value')} ({listed(known)}), but two are needed to "
            f"leave one out; name another column."
        )
    folds = tuple(rows.fold(f"{name} {one}", rows.known & (names == one)) for one in known)
    final = rows.fold("none", np.zeros(len(names), bool))
    return SamplePlan(folds, final, f"each {name} tests in turn ({listed(known, 16)})")


class _Rows:
    """Samples to be divided."""

    def __init__(self, samples: SeriesSamples, groups: _Names | None, seed: int) -> None:
        self.known = samples.known
        self._title, self._groups, self._seed = samples.name, groups, seed
        self._classes = None if samples.legend is None else _main_classes(samples)
        self._places = PatchPlaces.of(samples)
        self.in_strips = self._places is not None and groups is None
        self._check(self.known, "with a known label")

    def parts(self, rows: _Mask, n: int) -> list[_Mask]:
        """Divide rows (N,) into n parts, with the shares of the classes and with groups whole; patches into strips."""
        if self._places is not None and self._groups is None:
            return self._places.strips(rows, n)
        strata = None if self._classes is None else _strata(self._classes, rows, n)
        return folds_of(rows, n, self._groups, strata, self._seed)

    def fold(
        self, name: str, test: _Mask, rest: _Mask | None = None, validation: _Mask | None = None
    ) -> SampleFold:
        """Make a fold of its test samples; all other known samples teach, a part of them chooses the epoch.

        Patches beside one that tests do neither, and those beside one that chooses do not teach.
        """
        rest = self.known & ~test & ~self._beside(test) if rest is None else rest
        self._check(rest, f"to learn from where {name} tests")
        if validation is None:
            validation = self.parts(rest, _CHOSEN)[0]
            rest = rest & ~self._beside(validation)
        return SampleFold(name, rest & ~validation, validation, test)

    def _beside(self, rows: _Mask) -> _Mask:
        return np.zeros(len(rows), bool) if self._places is None else self._places.beside(rows)

    def _check(self, rows: _Mask, what: str) -> None:
        if (n := int(rows.sum())) < _FEWEST:
            raise OptionError(
                f"{self._title} has {counted(n, 'sample')} {what}, but at least {_FEWEST} are needed; give more, or check "
                f"the column of labels and the split."
            )


def _main_classes(samples: SeriesSamples) -> npt.NDArray[np.intp]:
    """(N,) class of each sample, of a patch the most frequent; -1 where none is known."""
    labels = samples.labels
    assert labels is not None  # of samples of classes
    assert samples.legend is not None
    if labels.ndim == 1:
        return labels
    n = len(samples.legend.classes)
    counts = np.stack([np.bincount(patch[patch >= 0], minlength=n) for patch in labels])
    return np.where(samples.known, counts.argmax(axis=1), -1)


def _strata(classes: npt.NDArray[np.intp], rows: _Mask, n: int) -> _Names:
    """(N,) classes, of which those with fewer than ``n`` of the rows are taken together."""
    counts = np.bincount(classes[rows])
    rare = (counts > 0) & (counts < n)
    joined = -1 if counts[rare].sum() >= n else int(counts.argmax())
    strata = classes.astype(object)
    strata[rows] = np.where(rare[classes[rows]], joined, classes[rows])
    return strata


def _years(samples: SeriesSamples, season_start: str) -> _Names:
    """(N,) year in which the season of each sample begins."""
    days = np.concatenate(samples.days(season_start), axis=1)
    dates = np.concatenate([sensor.dates for sensor in samples.sensors], axis=1)
    names = np.full(len(dates), None, object)
    dated = ~np.isnat(dates)
    for row in np.flatnonzero(dated.any(axis=1)):
        at = int(dated[row].argmax())
        names[row] = str((dates[row, at] - int(days[row, at])).astype("datetime64[Y]"))
    return names
