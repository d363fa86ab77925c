"""Traits calibrated by labels: a straight line for each, beside PLS on the same rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.events import Report
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.spectra.methods.domain import fit_domain
from georaster_dl.spectra.package.file import Metadata, save_spectral_model
from georaster_dl.spectra.physics.columns import OUTPUTS, trait_of
from georaster_dl.spectra.physics.model import OF_LEAVES, TraitModel
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.scoring.conformal import fewest_for, fit_interval_out_of_fold
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.training.candidates import (
    Learning,
    cross_validated,
    fitted,
    scored,
    scores_by_target,
)
from georaster_dl.spectra.training.card_text import card_limitations, card_metrics, training_summary
from georaster_dl.spectra.training.checks import check_table, sample_column
from georaster_dl.spectra.training.columns import TableOptions, learnable, split_table
from georaster_dl.spectra.training.result import Choice, CrossValidated, TrainedTable, TriedMethod
from georaster_dl.spectra.training.taught import checked_libraries, separated

__all__ = ["calibrated", "line_through"]

_NAME, _BESIDE = "prospect", "pls"
_LEVEL = 0.9
_COMPONENTS = 5

_Floats = npt.NDArray[np.float64]


def line_through(trait: _Floats, measured: _Floats) -> tuple[float, float]:
    """Fit slope and intercept of measured values (n,), NaN where not known, on a trait (n,); a constant of equal traits."""
    known = ~np.isnan(measured)
    x, y = trait[known], measured[known]
    if not np.ptp(x) > 0:
        return 0.0, float(y.mean())
    slope, intercept = np.polyfit(x, y, 1)
    return float(slope), float(intercept)


def calibrated(
    table: SpectraTable,
    path: Path,
    options: TableOptions,
    settings: Settings,
    fitting: Mapping[str, Any],
    report: Report,
) -> TrainedTable:
    """Train an encoder on all rows that do not test, labelled or not, calibrate its traits, and write the package.

    Lines are cross-validated in the folds of PLS. The encoder is not fitted anew in a fold, as it knows no label.

    Parameters
    ----------
    fitting : settings of ``TraitModel.fit``.
    """
    begun = time.monotonic()
    table, taught = separated(table, (), options, settings, report)
    target = learnable(table, options, report)
    check_table(table, target, options, settings, report, unlabelled="teach the encoder alone")
    split = split_table(table, target, options, settings)
    taught = checked_libraries(taught, table, [split.learnt | split.test, split.learnt], report)
    learning = Learning(table, target, split, options, settings, lambda: None, taught)
    model = TraitModel.fit(table.spectra[~split.test], table.wavelengths_nm, gain=True, **fitting)
    names = [trait_of(column, model.traits) for column in options.targets]
    places = [model.traits.index(name) for name in names]
    scales = [OUTPUTS[name].scale for name in names]
    traits = model.values(table.spectra)[:, places] * scales
    tried = _tried(traits, learning)
    beside = fitted(cross_validated(_BESIDE, learning), learning, 1)[0]
    methods = (tried, beside)
    choice = _choice(methods)
    intervals = tuple(_interval(tried, learning, i) for i in range(len(names)))
    lines = tried.cross_validated.settings
    slopes = np.zeros((len(names), len(model.traits)))
    for i, (place, scale, line) in enumerate(zip(places, scales, lines, strict=True)):
        slopes[i, place] = scale * line["slope"]
    notes = {
        f"calibration, {column[:40]}": f"{line['slope']:.4g} * {OUTPUTS[name].name} {line['intercept']:+.4g}"
        for column, name, line in zip(options.targets, names, lines, strict=True)
    }
    learnt = split.learnt
    limits = card_limitations(
        tried, split, options.division, intervals, {}, sample_column(table, options), taught
    )
    metadata = Metadata(
        targets=tuple(
            Target(column, interval=interval)
            for column, interval in zip(options.targets, intervals, strict=True)
        ),
        metrics=card_metrics(tried),
        training=training_summary(table, options, split, methods, choice, intervals, {}, taught),
        limitations=f"{limits} {OF_LEAVES}".strip(),
        domain=fit_domain(
            table.spectra[learnt], target[learnt], _COMPONENTS, learning.samples.groups
        ),
    )
    intercepts = np.array([line["intercept"] for line in lines])
    package = model.packaged(slopes, intercepts, tried.predicted[learnt], notes)
    card = save_spectral_model(path, package, metadata)
    return TrainedTable(
        card, table, options, settings, target, split, learning.folds, methods, choice, intervals, package,
        time.monotonic() - begun,
    )  # fmt: skip


def _tried(traits: _Floats, learning: Learning) -> TriedMethod:
    """Calibrate traits (n, targets) of the table's rows, out of fold and by all rows that learn."""
    columns, places = learning.columns, learning.places
    out_of_fold = np.full((len(learning.folds), *columns.shape), np.nan)
    for repeat, folds in enumerate(learning.folds):
        for learnt, measured in folds:
            for i, column in enumerate(columns.T):
                own = traits[places, i]
                if (~np.isnan(column[learnt])).any():
                    slope, intercept = line_through(own[learnt], column[learnt])
                    out_of_fold[repeat, measured, i] = slope * own[measured] + intercept
    lines = [line_through(traits[places, i], column) for i, column in enumerate(columns.T)]
    chosen = tuple({"slope": slope, "intercept": intercept} for slope, intercept in lines)
    found: CrossValidated = scored(_NAME, out_of_fold, chosen, {}, learning)
    predicted = np.stack(
        [slope * own + intercept for (slope, intercept), own in zip(lines, traits.T, strict=True)],
        1,
    )
    return TriedMethod(
        _NAME,
        found,
        predicted,
        np.zeros_like(predicted),
        scores_by_target(predicted, learning, learning.split.learnt),
        scores_by_target(predicted, learning, learning.split.test),
        0,
    )


def _choice(methods: tuple[TriedMethod, ...]) -> Choice:
    losses = [tried.cross_validated.loss for tried in methods]
    least = methods[int(np.argmin(losses))].method
    other = losses[1]
    reason = f"{_NAME} was asked for; its loss in cross-validation is {losses[0]:.4g}, that of {_BESIDE} {other:.4g}"
    return Choice(_NAME, least, least, True, reason)


def _interval(tried: TriedMethod, learning: Learning, column: int) -> Interval | None:
    measured = learning.columns[:, column]
    if (~np.isnan(measured)).sum() < fewest_for(_LEVEL):
        return None
    out_of_fold = tried.cross_validated.out_of_fold[:, learning.places, column]
    return fit_interval_out_of_fold(out_of_fold, measured, _LEVEL)
