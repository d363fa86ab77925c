"""Texts of a spectral model's card: metrics, training data, limitations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted, listed
from georaster_dl.models.package.class_limits import ClassLimits
from georaster_dl.models.package.limits import LARGEST_METRIC
from georaster_dl.models.package.values import Interval
from georaster_dl.spectra.methods.class_limits import FEWEST_OF_CLASS
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.scoring.split import Division, RowSplit
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.training.columns import TableOptions
from georaster_dl.spectra.training.result import Choice, TriedMethod
from georaster_dl.spectra.training.taught import NOTHING_OF_REAL, OF_TESTED, Taught

__all__ = [
    "card_limitations",
    "card_metrics",
    "method_figures",
    "settings_text",
    "training_summary",
]

_OF_SETTINGS = {
    "n_components": "latent variables",
    "n_neighbors": "neighbours",
}
_MOST = 64  # entries of a card

CROSSED_F1 = "macro F1, cross-validation"
NOT_OF_TEST = ("RMSEC", "RMSECV", CROSSED_F1)


def card_metrics(tried: TriedMethod) -> dict[str, float]:
    """Return the scores of a method by the names of a card's metrics."""
    metrics: dict[str, float] = {}
    for name, figures in method_figures(tried).items():
        of_target = "" if CROSSED_F1 in figures else f" {name[:40]}"
        for key, value in figures.items():
            if abs(value) <= LARGEST_METRIC and key != "±":
                test = "" if key in NOT_OF_TEST else ", test"
                metrics[f"{key}{of_target}{test}"] = round(value, 6)
    return dict(list(metrics.items())[:_MOST])


def method_figures(tried: TriedMethod) -> dict[str, dict[str, float]]:
    """Collect a method's figures by target or class column: of fit, of cross-validation and of the test.

    Of values RMSEC, RMSECV, its standard error ``±``, RMSEP, MAE, bias, SEP, R2, RPD and RPIQ of the test; of classes
    macro F1 in cross-validation, its standard error, and overall accuracy, balanced accuracy and macro F1 of the test.
    """
    found: dict[str, dict[str, float]] = {}
    for name, tested in tried.tested.items():
        crossed = tried.cross_validated.scores[name]
        error = tried.cross_validated.errors[name]
        fit = tried.fitted[name]
        if isinstance(tested, ClassScores) and isinstance(crossed, ClassScores):
            found[name] = {
                CROSSED_F1: crossed.macro_f1,
                "±": error,
                "OA": tested.accuracy,
                "balanced accuracy": tested.balanced_accuracy,
                "macro F1": tested.macro_f1,
            }
        elif (
            isinstance(tested, ValueScores)
            and isinstance(crossed, ValueScores)
            and isinstance(fit, ValueScores)
        ):
            found[name] = {
                "RMSEC": fit.rmsep,
                "RMSECV": crossed.rmsep,
                "±": error,
                "RMSEP": tested.rmsep,
                "MAE": tested.mae,
                "bias": tested.bias,
                "SEP": tested.sep,
                "R2": tested.r2,
                "RPD": tested.rpd,
                "RPIQ": tested.rpiq,
            }
    return found


def settings_text(tried: TriedMethod, column: int) -> str:
    """Name the settings of a method for one target: ``12 latent variables``, ``C 100, gamma 0.0014``."""
    if tried.members:
        return counted(tried.members, "network")
    chosen: Mapping[str, Any] = tried.cross_validated.settings[column]
    parts = [
        f"{value} {_OF_SETTINGS[key]}"
        if key in _OF_SETTINGS
        else f"{key} {value if isinstance(value, str) else f'{value:.4g}'}"
        for key, value in chosen.items()
    ]
    return ", ".join(parts) or "as it is"


def training_summary(
    table: SpectraTable,
    options: TableOptions,
    split: RowSplit,
    tried: Sequence[TriedMethod],
    choice: Choice,
    intervals: Sequence[Interval | None],
    class_limits: Mapping[str, ClassLimits | None],
    taught: Taught,
) -> dict[str, str]:
    """Describe the training data, the choice of the method, and the figures of all methods on the same rows."""
    summary = {
        "table": table.name,
        "split": split.description,
        "spectra": spectra_text(tried[0], split, intervals, taught),
        "cross-validation": f"{options.folding}; settings of a fold are chosen on the others",
        "method": choice.reason,
    }
    if len(taught):
        summary["simulated"] = (
            f"{counted(len(taught), 'spectrum')} of {listed(taught.sources)}, which only learnt"
        )
        left = len(taught) - taught.number(learning_rows(tried[0], split))
        if left:
            summary["simulated"] += f"; {left} left out, made of rows that were held out"
    limits = [
        f"{name}: {counted(one.n_components, 'component')}, {one.accepted:.0%} of {one.spectra} accepted in cross-validation"
        for name, one in class_limits.items()
        if one is not None
    ]
    if limits:
        summary["class limits"] = "; ".join(limits)
    loss = "RMSECV" if options.targets else options.measure
    for name, curve in tried[0].cross_validated.curves.items():
        summary[f"latent variables, {name[:40]}"] = curve.text(loss)
    for one in tried:
        for i, (name, figures) in enumerate(method_figures(one).items()):
            shown = ", ".join(
                f"{key} {value:.4g}" if key != "±" else f"± {value:.2g}"
                for key, value in figures.items()
                if math.isfinite(value)
            )
            summary[f"{one.label}, {name[:40]}"] = f"{settings_text(one, i)}: {shown}"
    return dict(list(summary.items())[:_MOST])


def spectra_text(
    tried: TriedMethod, split: RowSplit, intervals: Sequence[Interval | None], taught: Taught
) -> str:
    """Count the spectra that were learnt from, chose the epoch, set the intervals and tested."""
    if not tried.members:
        counts = {"learnt from": split.learnt}
    elif len(split.validation) > 1:
        counts = {"learnt from, in turn a part of them to choose the epoch": split.train}
    else:
        validation = split.validation[0]
        counts = {"learnt from": split.train & ~validation, "chose the epoch": validation}
    if tried.members and any(intervals):
        counts["set the intervals"] = split.calibration
    counts["tested"] = split.test
    parts = [f"{int(rows.sum())} {what}" for what, rows in counts.items()]
    if len(taught):
        parts[0] += f" and {taught.number(learning_rows(tried, split))} simulated"
    return ", ".join(parts)


def learning_rows(tried: TriedMethod, split: RowSplit) -> npt.NDArray[np.bool_]:
    """Mask (n,) of the rows that the final fit of a method learns from."""
    if not tried.members:
        return split.learnt
    return split.train & ~split.validation[0] if len(split.validation) == 1 else split.train


def card_limitations(
    tried: TriedMethod,
    split: RowSplit,
    division: Division,
    intervals: Sequence[Interval | None],
    class_limits: Mapping[str, ClassLimits | None],
    sample_column: str | None,
    taught: Taught,
) -> str:
    """Say where figures and intervals should not be trusted.

    Parameters
    ----------
    intervals : of the targets; empty for classes.
    class_limits : of the classes, by name; None of those that have too few spectra.
    sample_column : that may name the samples, where none was named.
    taught : simulated spectra beside the table.
    """
    sentences = [NOTHING_OF_REAL] if taught.alone else []
    if taught.of_tested:
        sentences.append(OF_TESTED)
    if division.split_column is None and division.group_column is None:
        how = "Rows were divided by chance"
        if division.kind != "random":
            how = "No column of samples was named"
        sentences.append(
            f"{how}: if samples were scanned several times, the figures flatter."
            if sample_column is None
            else f"{how}, but column {sample_column!r} repeats as names of samples do: if it holds them, the figures "
            f"flatter; train again with `group_column={sample_column}`."
        )
    if division.kind in ("kennard-stone", "spxy"):
        sentences.append(
            "The rows that test were selected within the range of those that learn, so their figures flatter; trust the "
            "RMSECV."
        )
    if any(intervals):
        levels = listed(
            sorted({f"{100 * interval.level:g} %" for interval in intervals if interval})
        )
        sentences.append(
            f"Intervals ({levels}) hold for spectra like those of the table; they come from {_origin(tried, split)}."
        )
    elif intervals:
        sentences.append("Too few spectra were left to say how wide intervals are.")
    without = [name for name, one in class_limits.items() if one is None]
    if without:
        sentences.append(
            f"No class limits of {listed(without)}: they need {FEWEST_OF_CLASS} samples of a class or more, whose spectra differ, "
            f"and room on the card."
        )
    return " ".join(sentences)


def _origin(tried: TriedMethod, split: RowSplit) -> str:
    if not tried.members:
        return f"the errors of {counted(int(split.learnt.sum()), 'spectrum')} in cross-validation"
    n = counted(int(split.calibration.sum()), "spectrum")
    if split.has_own_calibration:
        return f"{n} that nothing else was learnt from"
    return f"the {n} that also chose the epoch, so they may be a little narrow"
