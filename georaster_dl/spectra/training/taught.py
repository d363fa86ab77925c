"""Simulated rows beside a table: they learn in every fold, and never validate, calibrate or test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.wording import counted, listed
from georaster_dl.spectra.descent import LIBRARY, PARENTS, Descent, library_digest
from georaster_dl.spectra.registry import Rows, Settings
from georaster_dl.spectra.synthetic import SYNTHETIC, synthetic_rows
from georaster_dl.spectra.table.resample import aligned
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.training.columns import TableOptions, learnable

__all__ = [
    "NOTHING_OF_REAL",
    "OF_TESTED",
    "Taught",
    "checked_libraries",
    "measured_rows",
    "separated",
]

NOTHING_OF_REAL = (
    "All spectra of the table were simulated, those that test, too: the figures say nothing of real spectra. Test on measured "
    "ones before use."
)
OF_TESTED = (
    "Simulated spectra were made from all rows, those that test in the folds or the test, too: the scores are too good. Simulate "
    "from a table of the learning rows alone, and test with `geodl spectra evaluate` on others."
)


@dataclass(frozen=True, eq=False)
class Taught:
    """Rows that only learn.

    Attributes
    ----------
    spectra : (n, bands).
    target : (n, targets) values, NaN where not known, or (n,) class names.
    descent : from the rows of the table that they learn beside.
    sources : names of the tables that they come from.
    libraries : digests of the libraries that their methods learnt from as a whole.
    alone : whether no measured spectra are beside simulated ones, which therefore test, too.
    of_tested : whether one of the libraries is of rows that test, in the test or in a fold.
    """

    spectra: npt.NDArray[np.float64] = field(repr=False)
    target: npt.NDArray[Any] = field(repr=False)
    descent: Descent = field(repr=False)
    sources: tuple[str, ...] = ()
    libraries: frozenset[str] = frozenset()
    alone: bool = False
    of_tested: bool = False

    def __len__(self) -> int:
        return len(self.spectra)

    def number(self, learnt: npt.NDArray[np.bool_]) -> int:
        """Count the rows that learn beside a mask (n,) of the table's."""
        return int(self.descent.free_of(~learnt).sum())

    def beside(self, rows: Rows, learnt: npt.NDArray[np.bool_]) -> Rows:
        """Append the rows without a held-out parent to the learning rows of the table.

        Parameters
        ----------
        learnt : (n,) mask of ``rows`` in the table.
        """
        if not len(self):
            return rows
        free = self.descent.free_of(~learnt)
        target = self.target[free]
        if rows.target.ndim == 1 and target.ndim == 2:
            target = target[:, 0]
        own = np.array([f"simulated {i}" for i in np.flatnonzero(free)], object)
        return Rows(
            np.concatenate([rows.spectra, self.spectra[free]]),
            np.concatenate([rows.target, target]),
            rows.wavelengths_nm,
            None if rows.groups is None else np.concatenate([rows.groups, own]),
            np.pad(rows.validation, ((0, 0), (0, len(own)))),
            self.descent.among(learnt, free),
            rows.fractions,
        )


def separated(
    table: SpectraTable,
    added: Sequence[SpectraTable],
    options: TableOptions,
    settings: Settings,
    report: Report,
) -> tuple[SpectraTable, Taught]:
    """Divide a table, and tables added to it, into measured spectra and rows that only learn.

    Rows of the table are simulated where its column ``synthetic`` says so; those that are added only learn in any case. A
    table of simulated spectra alone is divided like measured ones, which a warning says.

    Parameters
    ----------
    added : tables at the wavelengths of ``table``, with its targets; they may have more of both.

    Raises
    ------
    OptionError
        When an added table lacks wavelengths or targets, or bands are to be selected, which every fit does by a
        cross-validation that simulated rows would take part in.
    """
    simulated = synthetic_rows(table)
    alone = bool(simulated.all())
    if alone:
        report(Warned(f"{table.name}: {NOTHING_OF_REAL}"))
        simulated = np.zeros(len(table), bool)
    measured = table.rows(~simulated) if simulated.any() else table
    parts = [table.rows(simulated)] if simulated.any() else []
    parts += [aligned(each, table.wavelengths_nm) for each in added]
    if parts and settings.select != "none":
        raise OptionError(
            f"`select={settings.select!r}` selects bands by cross-validation within each fit, where simulated spectra would "
            f"test; leave it out, or learn from measured spectra alone."
        )
    if not parts:
        blank = np.empty((0, len(options.names))) if options.targets else np.empty(0, object)
        descent = Descent.of(measured.digests, ())
        return measured, Taught(np.empty((0, table.spectra.shape[1])), blank, descent, alone=alone)
    targets = [learnable(part, options, report, varied=False) for part in parts]
    target = np.concatenate(targets)
    known = ~pd.isna(target.reshape(len(target), -1)).all(axis=1)
    if not known.all():
        report(
            Warned(
                f"{int((~known).sum())} of {counted(len(known), 'simulated spectrum')} left out, as no target is known there."
            )
        )
    spectra = np.concatenate([part.spectra for part in parts])
    names = tuple(dict.fromkeys(part.name for part in parts))
    parents = np.concatenate([_cells(part, PARENTS) for part in parts])
    libraries = np.concatenate([_cells(part, LIBRARY) for part in parts])[known]
    return measured, Taught(
        spectra[known],
        target[known],
        Descent.of(measured.digests, parents[known].tolist()),
        names,
        frozenset(name for name in libraries if name),
        alone,
    )


def _cells(table: SpectraTable, column: str) -> npt.NDArray[np.object_]:
    """(n,) text of a column, None where there is none."""
    return table.classes(column) if column in table.columns else np.full(len(table), None, object)


def checked_libraries(
    taught: Taught, table: SpectraTable, learnt: Sequence[npt.NDArray[np.bool_]], report: Report
) -> Taught:
    """Warn where simulated rows are of a method that learnt from all rows of the table, or from all of a mask (n,)."""
    if not taught.libraries:
        return taught
    digests = table.digests
    tested = {library_digest(digests), *(library_digest(digests[rows]) for rows in learnt)}
    if tested.isdisjoint(taught.libraries):
        return taught
    report(Warned(f"{listed(taught.sources)}: {OF_TESTED}"))
    return replace(taught, of_tested=True)


def measured_rows(table: SpectraTable, report: Report) -> SpectraTable:
    """Leave simulated rows out of scores; warn where all are simulated.

    Raises
    ------
    OptionError
        As ``synthetic_rows``.
    """
    simulated = synthetic_rows(table)
    if not simulated.any():
        return table
    if simulated.all():
        report(
            Warned(
                f"{table.name}: all its spectra were simulated, so these scores say nothing of real spectra."
            )
        )
        return table
    report(
        Warned(
            f"{table.name}: {int(simulated.sum())} of {counted(len(table), 'spectrum')} left out that were simulated (column "
            f"{SYNTHETIC}), as such spectra do not test."
        )
    )
    return table.rows(~simulated)
