"""Targets of a table, and the split of its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.labels.fractions.checks import FractionScale, all_names, normalised
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.scoring.folds import Folding
from georaster_dl.spectra.scoring.split import Division, RowSplit, samples_of, split_rows
from georaster_dl.spectra.table.cells import numbers_of
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["TableOptions", "learnable", "split_table"]

_LARGEST = 1e9  # mean and standard deviation that a card holds


@dataclass(frozen=True)
class TableOptions:
    """Columns of a table to learn, and how its rows are divided.

    Attributes
    ----------
    targets : columns of values; empty where there is a class column.
    class_column : of class names.
    division : into rows that learn and rows that test.
    folding : of the rows that learn, for cross-validation.
    quantity : that the spectra are, as the card tells it; None takes reflectance where their size allows it.
    fractions : whether the targets are fractions of a whole.
    """

    targets: tuple[str, ...] = ()
    class_column: str | None = None
    division: Division = field(default_factory=Division)
    folding: Folding = field(default_factory=Folding)
    quantity: str | None = None
    fractions: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets, with that of the rest of a single fraction, or of the class column."""
        if self.fractions and self.targets:
            return all_names(self.targets)
        return self.targets or (str(self.class_column),)

    @property
    def measure(self) -> str:
        """Name of the loss that methods are chosen by."""
        if not self.targets:
            return "1 - macro F1"
        return "RMSECV" if len(self.names) == 1 else "mean RMSECV by standard deviation"


def learnable(
    table: SpectraTable, options: TableOptions, report: Report, *, varied: bool = True
) -> npt.NDArray[Any]:
    """(n, targets) values, NaN where not known, or (n,) class names, None where not known.

    Fractions are brought to a sum of 1; beside a single one is the rest.

    Parameters
    ----------
    varied : refuse targets of one value only, from which alone nothing is learnt.

    Raises
    ------
    OptionError
        When a column is missing, holds text or one value only or measured values for classes, or both kinds or none are
        asked for.
    """
    if bool(options.targets) == (options.class_column is not None):
        raise OptionError(
            "Give either `targets=` (values) or `class_column=` (names), one of them."
        )
    if options.fractions and not options.targets:
        raise OptionError(
            "Fractions are columns of values, but classes are asked for; name their columns with `targets=`."
        )
    if len(set(options.targets)) < len(options.targets):
        raise OptionError(f"A target is named twice ({listed(options.targets)}); name each once.")
    if options.class_column is not None:
        names = table.classes(options.class_column)
        known = names[~pd.isna(names)]
        if varied:
            _check_varied(table, options.class_column, known)
        _check_classes(table, options.class_column, known)
        return names
    values = [table.target(name) for name in options.targets]
    for name, column in zip(options.targets, values, strict=True):
        if varied:
            _check_varied(table, name, column[~np.isnan(column)])
        _check_size(table, name, column)
    columns = np.stack(values, axis=1)
    return _fractions(table, columns, options.targets, report) if options.fractions else columns


def _fractions(
    table: SpectraTable, columns: npt.NDArray[np.float64], names: tuple[str, ...], report: Report
) -> npt.NDArray[np.float64]:
    """Scale columns (n, targets) to fractions of sum 1, NaN in rows that lack a fraction."""
    known = np.isfinite(columns).all(axis=1)
    places = np.flatnonzero(known)
    scale = FractionScale(names, "targets")
    scale.add(columns[known], lambda row: f"{table.where(places[row : row + 1])} of {table.name}")
    percent = scale.percent(lambda message: report(Warned(f"{table.name}: {message}.")))
    whole = np.full((len(columns), len(all_names(names))), np.nan)
    whole[known] = normalised(columns[known], percent=percent)
    return whole


def _check_varied(table: SpectraTable, name: str, known: npt.NDArray[Any]) -> None:
    if len(set(known.tolist())) < 2:
        raise OptionError(
            f"Column {name!r} of {table.name} is the same in all {counted(len(known), 'row')} where it is known, so there "
            f"is nothing to learn; name another column."
        )


def _check_size(table: SpectraTable, name: str, values: npt.NDArray[np.float64]) -> None:
    if (large := np.flatnonzero(np.abs(values) > _LARGEST)).size:
        raise OptionError(
            f"{name!r} of {table.name} is {values[large[0]]:g} in {table.where(large[:1])}, but values up to {_LARGEST:g} can "
            f"be learnt; correct it, or give the values in a larger unit."
        )


def _check_classes(table: SpectraTable, name: str, known: npt.NDArray[Any]) -> None:
    """Refuse measured values: numbers of which some are not whole and most occur once or twice."""
    numbers = numbers_of(pd.Series(known))
    sizes = np.unique(known.astype(str), return_counts=True)[1]
    if np.isfinite(numbers).all() and (numbers % 1 != 0).any() and np.median(sizes) <= 2:
        raise OptionError(
            f"Column {name!r} of {table.name} looks like measured values: it has {len(sizes):,} different numbers in "
            f"{counted(len(known), 'row')}, too few of each to be classes; learn them with `targets=`."
        )


def split_table(
    table: SpectraTable,
    target: npt.NDArray[Any],
    options: TableOptions,
    settings: Settings,
    *,
    intervals: bool = True,
) -> RowSplit:
    """Split the rows of which a target is known, as the options say; arguments and errors as of ``split_rows``.

    Samples are selected among preprocessed spectra, as scatter and offsets would decide among bare ones.
    """
    spectra = None
    if options.division.kind not in ("random", "date"):
        chain = Preprocessing(settings.preprocessing)
        groups = samples_of(table, options.division).groups
        spectra = chain.fit(table.spectra, groups=groups).transform(table.spectra)
    columns = target.reshape(len(table), -1)
    return split_rows(
        table,
        ~pd.isna(columns).all(axis=1),
        options.division,
        values=columns if options.targets else None,
        classes=None if options.targets else target,
        spectra=spectra,
        seed=settings.seed,
        intervals=intervals,
    )
