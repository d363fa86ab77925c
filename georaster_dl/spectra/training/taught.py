"""Simulated rows beside a table: they learn in every fold, and never validate, calibrate or test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.wording import counted
from georaster_dl.spectra.registry import Rows, Settings
from georaster_dl.spectra.synthetic import SYNTHETIC, synthetic_rows
from georaster_dl.spectra.table.resample import aligned
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.training.columns import TableOptions, learnable

__all__ = ["NOTHING_OF_REAL", "Taught", "measured_rows", "separated"]

NOTHING_OF_REAL = (
    "All spectra of the table were simulated, those that test, too: the figures say nothing of real spectra. Test on measured "
    "ones before use."
)


@dataclass(frozen=True, eq=False)
class Taught:
    """Rows that only learn.

    Attributes
    ----------
    spectra : (n, bands).
    target : (n, targets) values, NaN where not known, or (n,) class names.
    sources : names of the tables that they come from.
    alone : whether no measured spectra are beside simulated ones, which therefore test, too.
    """

    spectra: npt.NDArray[np.float64] = field(repr=False)
    target: npt.NDArray[Any] = field(repr=False)
    sources: tuple[str, ...] = ()
    alone: bool = False

    def __len__(self) -> int:
        return len(self.spectra)

    def beside(self, rows: Rows) -> Rows:
        """Append these rows to those that are learnt from."""
        if not len(self):
            return rows
        target = self.target
        if rows.target.ndim == 1 and target.ndim == 2:
            target = target[:, 0]
        own = np.array([f"simulated {i}" for i in range(len(self))], object)
        return Rows(
            np.concatenate([rows.spectra, self.spectra]),
            np.concatenate([rows.target, target]),
            rows.wavelengths_nm,
            None if rows.groups is None else np.concatenate([rows.groups, own]),
            np.pad(rows.validation, ((0, 0), (0, len(self)))),
            rows.taught + len(self),
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
        return measured, Taught(np.empty((0, table.spectra.shape[1])), blank, alone=alone)
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
    return measured, Taught(spectra[known], target[known], names, alone)


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
