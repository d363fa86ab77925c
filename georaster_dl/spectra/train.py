"""Training of a model package on a table: methods in cross-validation, the choice, the test."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import MethodStarted, Progressed, Report, TrainingProgressed, Warned
from georaster_dl.core.wording import listed
from georaster_dl.models.package.class_limits import ClassLimits
from georaster_dl.models.package.domain import CalibrationDomain
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.spectra.methods.baselines import BASELINES, LATENT, MOST_COMPONENTS
from georaster_dl.spectra.methods.class_limits import fit_class_limits
from georaster_dl.spectra.methods.domain import fit_domain
from georaster_dl.spectra.package.file import Metadata, save_spectral_model
from georaster_dl.spectra.registry import AUTO, Settings, known_method
from georaster_dl.spectra.scoring.conformal import (
    fewest_for,
    fit_interval,
    fit_interval_out_of_fold,
)
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.table.unit_check import likely_quantity
from georaster_dl.spectra.training.candidates import Learning, cross_validated, fitted
from georaster_dl.spectra.training.card_text import card_limitations, card_metrics, training_summary
from georaster_dl.spectra.training.checks import check_table, sample_column
from georaster_dl.spectra.training.choice import choose
from georaster_dl.spectra.training.columns import (
    TableOptions,
    learnable,
    split_table,
)
from georaster_dl.spectra.training.result import Choice, CrossValidated, TrainedTable, TriedMethod
from georaster_dl.spectra.training.taught import checked_libraries, separated

__all__ = ["BASELINE", "train_table"]

BASELINE = "pls"
"""Method that every other is measured beside."""

_LEVEL = 0.9
_COMPONENTS = 10  # of the space in which other spectra are compared with these, for methods of none


def train_table(
    table: SpectraTable,
    path: Path,
    method: str,
    options: TableOptions,
    settings: Settings,
    report: Report,
    added: Sequence[SpectraTable] = (),
) -> TrainedTable:
    """Train methods on a table, test them, and write the choice of cross-validation as a model package.

    All methods are cross-validated in the same folds of the rows that learn, and tested on the same rows that
    take no part in any choice.

    Parameters
    ----------
    path : of the package, written when everything else is done.
    method : of ``registry.methods``, which is kept, beside PLS; or ``auto``, which keeps one of ``registry.AUTO``, or the
        network of the weights to start from, where settings name some.
    added : tables whose rows only learn, like simulated rows of ``table``: they never choose an epoch or setting, set an
        interval or test, and learn in no fit that holds out a row that they were made of.

    Raises
    ------
    OptionError
        When columns, rows or settings do not suffice.
    """
    begun = time.monotonic()
    asked = None if method == "auto" else known_method(method)
    if settings.init is not None:
        asked = _started(asked, settings.init)
    names = AUTO if asked is None else tuple(dict.fromkeys((asked, BASELINE)))
    _check_components(asked, settings)
    _check_selection(asked, settings)
    table, taught = separated(table, added, options, settings, report)
    target = learnable(table, options, report)
    check_table(table, target, options, settings, report)
    split = split_table(table, target, options, settings)
    taught = checked_libraries(taught, table, [split.learnt | split.test, split.learnt], report)
    steps = _Steps(report)
    learning = Learning(table, target, split, options, settings, steps, taught)
    n_folds = sum(map(len, learning.folds))
    steps.total = sum(
        n_folds * (len(options.names) if name in BASELINES else 1) + 1 for name in names
    )
    quantity = options.quantity or likely_quantity(table, report)
    found = [_in_turn(name, learning, report) for name in names]
    choice = choose(found, asked, options.measure, learning.task)
    if choice.kept != choice.by_rule:
        report(Warned(f"{table.name}: {choice.reason}."))
    tried, model = _fitted(found, choice, learning, report)
    _warn_of_search(tried[0].cross_validated, table.name, report)
    intervals = _intervals(tried[0], learning)
    domain, class_limits = _likeness(tried[0], model, learning)
    metadata = Metadata(
        targets=tuple(
            Target(name, interval=interval)
            for name, interval in zip(options.names, intervals, strict=False)
        ),
        quantity=quantity,
        metrics=card_metrics(tried[0]),
        training=training_summary(
            table, options, split, tried, choice, intervals, class_limits, taught
        ),
        limitations=card_limitations(
            tried[0],
            split,
            options.division,
            intervals,
            class_limits,
            sample_column(table, options),
            taught,
        ),
        domain=domain,
        class_limits={name: one for name, one in class_limits.items() if one is not None},
    )
    card = save_spectral_model(path, model, metadata)
    return TrainedTable(
        card,
        table,
        options,
        settings,
        target,
        split,
        learning.folds,
        tried,
        choice,
        intervals,
        model,
        time.monotonic() - begun,
    )


def _started(asked: str | None, init: str) -> str:
    """The method of the weights to start from, which none but itself can."""
    from georaster_dl.spectra.network.start import method_of_start

    own = method_of_start(init)
    if asked not in (None, own):
        raise OptionError(
            f"`init=` names weights of {own}, from which {asked} cannot start; take that method, or leave one of the two out."
        )
    return own


def _check_components(asked: str | None, settings: Settings) -> None:
    if asked is not None and settings.components is not None and asked not in LATENT:
        raise OptionError(
            f"`components={settings.components}` is a number of latent variables, but {asked} has none; leave it out, "
            f"or take {' or '.join(sorted(LATENT, reverse=True))}."
        )


def _check_selection(asked: str | None, settings: Settings) -> None:
    """Refuse a selection of bands for a method that takes them all."""
    if settings.select != "none" and asked not in (None, "pls"):
        raise OptionError(
            f"`select={settings.select!r}` selects bands for pls, but {asked} takes them all; leave it out, or take pls."
        )


def _warn_of_search(kept: CrossValidated, table: str, report: Report) -> None:
    """Warn where as many latent variables were taken as are tried of any spectra."""
    most = MOST_COMPONENTS.get(kept.method)
    at_end = [n for n, curve in kept.curves.items() if curve.chosen == most and not curve.asked]
    if at_end:
        report(
            Warned(
                f"{table}: RMSECV of {listed(at_end)} is least with the most latent variables that are tried, {most}, which is where "
                f"the search ends and not a minimum; look at its curve, ask for a number with `components=`, or, where the "
                f"spectra were simulated, simulate them with more noise."
            )
        )


def _in_turn(name: str, learning: Learning, report: Report) -> CrossValidated:
    report(MethodStarted(name, learning.settings.seed))
    begun = time.monotonic()
    found = cross_validated(name, learning)
    return replace(found, seconds=time.monotonic() - begun)


def _fitted(
    found: list[CrossValidated], choice: Choice, learning: Learning, report: Report
) -> tuple[tuple[TriedMethod, ...], Any]:
    """Fit all methods; returns them with the chosen one first, and its model. Other networks have one member."""
    others = [one for one in found if one.method != choice.kept]
    tried = [fitted(one, learning, 1)[0] for one in others]
    (chosen,) = (one for one in found if one.method == choice.kept)
    kept, model = fitted(chosen, learning, learning.settings.members, progress_log(report))
    return (kept, *tried), model


def _likeness(
    tried: TriedMethod, model: Any, learning: Learning
) -> tuple[CalibrationDomain, dict[str, ClassLimits | None]]:
    """Describe the spectra learnt from, with which others are compared: their space, and limits of each class.

    The space is of the method's own latent variables, if it has any. All limits are of measured spectra alone.
    """
    rows = learning.rows(learning.split.learnt, learning.split.validation)
    chain = model.preprocessing if tried.method in BASELINES else model.preprocessing_
    curves = tried.cross_validated.curves.values()
    components = max((curve.chosen for curve in curves), default=_COMPONENTS)
    own = slice(0, len(rows.target) - rows.taught)
    groups = None if rows.groups is None else rows.groups[own]
    preprocessed = chain.transform(rows.spectra[own])
    domain = fit_domain(preprocessed, rows.target[own], components, groups)
    if learning.task == "regression":
        return domain, {}
    found = fit_class_limits(preprocessed, rows.target[own], groups)
    return domain, {name: found.get(name) for name in np.unique(rows.target.astype(str)).tolist()}


def _intervals(tried: TriedMethod, learning: Learning) -> tuple[Interval | None, ...]:
    """Interval of each target; None where too few rows are left to say."""
    if learning.task == "classification":
        return ()
    if tried.method in BASELINES:
        reference, rows = learning.columns, learning.places
        out_of_fold = tried.cross_validated.out_of_fold[:, rows]
        return tuple(
            fit_interval_out_of_fold(out_of_fold[:, :, i], column, _LEVEL)
            if (~np.isnan(column)).sum() >= fewest_for(_LEVEL)
            else None
            for i, column in enumerate(reference.T)
        )
    set_aside = learning.split.calibration
    return tuple(
        fit_interval(tried.predicted[set_aside, i], tried.spread[set_aside, i], column, _LEVEL)
        if (~np.isnan(column)).sum() >= fewest_for(_LEVEL)
        else None
        for i, column in enumerate(learning.target[set_aside].T)
    )


class _Steps:
    """Count of folds and fits that are done, reported as progress."""

    def __init__(self, report: Report) -> None:
        self._report, self._begun = report, time.monotonic()
        self._done, self.total = 0, 1

    def __call__(self) -> None:
        """Report one more."""
        self._done += 1
        left = (time.monotonic() - self._begun) / self._done * (self.total - self._done)
        self._report(Progressed(self._done, self.total, left))


def progress_log(report: Report) -> Callable[[int, int, float], None]:
    """Return a training log that reports epochs as progress."""
    begun = time.monotonic()

    def log(done: int, most: int, loss: float) -> None:
        left = (time.monotonic() - begun) / done * (most - done)
        report(TrainingProgressed(done, most, left, loss))

    return log
