"""Targets of a table, the split of its rows, and warnings of missing values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.wording import counted, listed
from georaster_dl.spectra.preprocess.chain import Preprocessing, uneven_steps
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.scoring.folds import Folding
from georaster_dl.spectra.scoring.split import Division, RowSplit, samples_of, split_rows
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["TableOptions", "learnable", "split_table", "warn_of_missing", "warn_of_steps"]


@dataclass(frozen=True)
class TableOptions:
    """Columns of a table to learn, and how its rows are divided.

    Attributes
    ----------
    targets : columns of values; empty where there is a class column.
    class_column : of class names.
    division : into rows that learn and rows that test.
    folding : of the rows that learn, for cross-validation.
    quantity : that the spectra are, as the card tells it.
    """

    targets: tuple[str, ...] = ()
    class_column: str | None = None
    division: Division = field(default_factory=Division)
    folding: Folding = field(default_factory=Folding)
    quantity: str = "reflectance"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets, or of the class column."""
        return self.targets or (str(self.class_column),)

    @property
    def measure(self) -> str:
        """Name of the loss that methods are chosen by."""
        if not self.targets:
            return "1 - macro F1"
        return "RMSECV" if len(self.targets) == 1 else "mean RMSECV by standard deviation"


def learnable(table: SpectraTable, options: TableOptions) -> npt.NDArray[Any]:
    """(n, targets) values, NaN where not known, or (n,) class names, None where not known.

    Raises
    ------
    OptionError
        When a column is missing, holds text or one value only, or both kinds or none are asked for.
    """
    if bool(options.targets) == (options.class_column is not None):
        raise OptionError(
            "Give either `targets=` (values) or `class_column=` (names), one of them."
        )
    if len(set(options.targets)) < len(options.targets):
        raise OptionError(f"A target is named twice ({listed(options.targets)}); name each once.")
    if options.class_column is not None:
        names = table.classes(options.class_column)
        _check_varied(table, options.class_column, names[~pd.isna(names)])
        return names
    values = [table.target(name) for name in options.targets]
    for name, column in zip(options.targets, values, strict=True):
        _check_varied(table, name, column[~np.isnan(column)])
    return np.stack(values, axis=1)


def _check_varied(table: SpectraTable, name: str, known: npt.NDArray[Any]) -> None:
    if len(set(known.tolist())) < 2:
        raise OptionError(
            f"Column {name!r} of {table.name} is the same in all {counted(len(known), 'row')} where it is known, so there "
            f"is nothing to learn; name another column."
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


def warn_of_missing(table: SpectraTable, options: TableOptions, report: Report) -> None:
    """Warn of rows without a value or class, by the words in their cells, and of words read as classes."""
    rows = counted(len(table), "row")
    for name in options.targets:
        if (censored := table.censored(name)) is not None:
            report(Warned(f"{table.name}: {censored}"))
        empty = int(table.column(name).isna().sum())
        held = table.words(name) | ({"empty": empty} if empty else {})
        if held:
            listed = ", ".join(f"{n:,} {word}" for word, n in held.items())
            message = f"{sum(held.values()):,} of {rows} left out, as {name!r} has no value there ({listed})"
            report(Warned(f"{table.name}: {message}"))
    column = options.class_column
    if column is None:
        return
    if empty := int(table.column(column).isna().sum()):
        message = (
            f"{empty:,} of {rows} left out, as {column!r} has no class there ({empty:,} empty)"
        )
        report(Warned(f"{table.name}: {message}"))
    for word, n in table.words(column).items():
        message = f"{word} is taken for a class of {column!r} ({counted(n, 'row')})"
        cure = "where it means that none is known, leave the cell empty"
        report(Warned(f"{table.name}: {message}; {cure}"))


def warn_of_steps(table: SpectraTable, settings: Settings, report: Report) -> None:
    """Warn where a filter runs over bands at unequal steps; raises as ``uneven_steps``."""
    message = uneven_steps(settings.preprocessing, table.wavelengths_nm)
    if message is not None:
        report(Warned(f"{table.name}: {message}"))
