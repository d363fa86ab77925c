"""Training of a model package on a table, tested beside PLS on the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, TrainingProgressed, Warned
from georaster_dl.core.wording import counted, listed
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.spectra.methods.domain import fit_domain
from georaster_dl.spectra.package.card_text import (
    Scores,
    card_limitations,
    card_metrics,
    training_summary,
)
from georaster_dl.spectra.package.file import Metadata, save_spectral_model
from georaster_dl.spectra.preprocess.chain import uneven_steps
from georaster_dl.spectra.registry import Rows, Settings, fit_method, fit_network
from georaster_dl.spectra.scoring.conformal import fewest_for, fit_interval
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.scoring.split import RowSplit, split_rows
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = [
    "BASELINE",
    "TableOptions",
    "TrainedTable",
    "learnable",
    "progress_log",
    "train_table",
    "warn_of_missing",
    "warn_of_steps",
]

BASELINE = "pls"
_LEVEL = 0.9
_COMPONENTS = 10  # of the space in which other spectra are compared with these


@dataclass(frozen=True)
class TableOptions:
    """Columns of a table to learn, and how its rows are split.

    Attributes
    ----------
    targets : columns of values; empty where there is a class column.
    class_column : of class names.
    split_column, group : as in ``split.split_rows``.
    quantity : that the spectra are, as the card tells it.
    """

    targets: tuple[str, ...] = ()
    class_column: str | None = None
    split_column: str | None = None
    group: str | None = None
    quantity: str = "reflectance"


@dataclass(frozen=True, eq=False)
class TrainedTable:
    """A trained model's card, scores and split.

    Attributes
    ----------
    scores : of the test rows, by target (or class column) and method: the network and the baseline.
    """

    card: Card
    scores: Mapping[str, Mapping[str, Scores]]
    split: RowSplit
    seconds: float


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


def train_table(
    table: SpectraTable,
    path: Path,
    method: str,
    options: TableOptions,
    settings: Settings,
    report: Report,
) -> TrainedTable:
    """Train a network on a table, test it, and keep it as a model package.

    Parameters
    ----------
    path : of the package, written when everything else is done.
    method : a network of ``registry.network_methods``.

    Raises
    ------
    OptionError
        When columns, rows or settings do not suffice.
    """
    begun = time.monotonic()
    target = learnable(table, options)
    warn_of_steps(table, settings, report)
    known = ~pd.isna(target).reshape(len(table), -1).all(axis=1)
    warn_of_missing(table, options, report)
    split = split_rows(
        table,
        known,
        split_column=options.split_column,
        group=options.group,
        classes=target if options.class_column else None,
        seed=settings.seed,
    )
    rows = _rows(table, target, split, options)
    network = fit_network(method, rows, settings, progress_log(report))
    treated = network.preprocessing_.transform(rows.spectra)
    scores = {
        name: {
            method: _scored(network.predict(table.spectra[split.test]), target, split, i),
            BASELINE: _scored_baseline(table, target, split, options, settings, i),
        }
        for i, name in enumerate(options.targets or (str(options.class_column),))
    }
    intervals = _intervals(network, table, target, split) if options.targets else ()
    metadata = Metadata(
        targets=tuple(
            Target(name, interval=interval)
            for name, interval in zip(options.targets, intervals, strict=True)
        ),
        quantity=options.quantity,
        metrics=card_metrics(scores, method),
        training=training_summary(table, split, scores, BASELINE, intervals),
        limitations=card_limitations(
            split,
            by_chance=options.split_column is None and options.group is None,
            intervals=intervals,
        ),
        domain=fit_domain(treated, rows.target, _COMPONENTS, rows.groups),
    )
    card = save_spectral_model(path, network, metadata)
    return TrainedTable(card, scores, split, time.monotonic() - begun)


def warn_of_missing(table: SpectraTable, options: TableOptions, report: Report) -> None:
    """Warn of rows without a value or class, by the words in their cells, and of words read as classes."""
    rows = counted(len(table), "row")
    for name in options.targets:
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


def progress_log(report: Report) -> Callable[[int, int, float], None]:
    """Return a training log that reports epochs as progress."""
    begun = time.monotonic()

    def log(done: int, most: int, loss: float) -> None:
        left = (time.monotonic() - begun) / done * (most - done)
        report(TrainingProgressed(done, most, left, loss))

    return log


def _rows(
    table: SpectraTable, target: npt.NDArray[Any], split: RowSplit, options: TableOptions
) -> Rows:
    train = split.train
    groups = None if options.group is None else table.classes(options.group)[train]
    wanted = target[train]
    return Rows(
        table.spectra[train],
        wanted[:, 0] if wanted.ndim == 2 and wanted.shape[1] == 1 else wanted,
        table.wavelengths_nm,
        groups,
        split.validation[:, train],
    )


def _scored(
    predicted: npt.NDArray[Any], target: npt.NDArray[Any], split: RowSplit, column: int
) -> Scores:
    reference = target[split.test]
    if reference.ndim == 1:
        return ClassScores.of(predicted.astype(object), reference)
    return ValueScores.of(predicted.reshape(len(reference), -1)[:, column], reference[:, column])


def _scored_baseline(
    table: SpectraTable,
    target: npt.NDArray[Any],
    split: RowSplit,
    options: TableOptions,
    settings: Settings,
    column: int,
) -> Scores:
    """The baseline on the same test rows; it learns from all others, calibration included."""
    learnt = split.train | split.calibration
    rows = Rows(
        table.spectra[learnt],
        target[learnt] if target.ndim == 1 else target[learnt, column],
        table.wavelengths_nm,
        None if options.group is None else table.classes(options.group)[learnt],
        split.validation[:, learnt],
    )
    predicted = fit_method(BASELINE, rows, settings).predict(table.spectra[split.test])
    single = target if target.ndim == 1 else target[:, column : column + 1]
    return _scored(np.asarray(predicted), single, split, 0)


def _intervals(
    network: Any, table: SpectraTable, target: npt.NDArray[Any], split: RowSplit
) -> tuple[Interval | None, ...]:
    rows = split.calibration
    predicted, spread = (
        part.reshape(int(rows.sum()), -1)
        for part in network.predict(table.spectra[rows], return_std=True)
    )
    known = (~np.isnan(target[rows])).sum(axis=0)
    return tuple(
        fit_interval(predicted[:, i], spread[:, i], target[rows, i], _LEVEL)
        if n >= fewest_for(_LEVEL)
        else None
        for i, n in enumerate(known)
    )
