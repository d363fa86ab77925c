"""Content of a report on a training and its model package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.wording import counted
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.package.model import SpectralModel
from georaster_dl.spectra.report.content import (
    TEST,
    TRAINING,
    ClassResult,
    ComparedMethod,
    ComponentsCurve,
    Distances,
    ReportContent,
    Samples,
    ValueResult,
)
from georaster_dl.spectra.report.from_scores import importances, sample_names
from georaster_dl.spectra.report.page import render_report
from georaster_dl.spectra.scoring.folds import numbered
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.scoring.significance import errors_of, paired_tests
from georaster_dl.spectra.scoring.split import samples_of
from georaster_dl.spectra.synthetic import synthetic_rows
from georaster_dl.spectra.training.card_text import settings_text
from georaster_dl.spectra.training.result import Scores, TrainedTable

__all__ = ["training_content", "write_training"]

_Floats = npt.NDArray[np.float64]

_SAME_TABLE = (
    "For other seasons, instruments or kinds of samples than the table's: the rows that tested were taken from the "
    "same table, so nothing is known of these."
)


def write_training(
    path: Path, trained: TrainedTable, package: Path, id_column: str | None = None
) -> None:
    """Write the page of a training, which made a package; samples are named by a column."""
    content = training_content(trained, load_spectral_model(package), id_column)
    path.write_text(render_report(content), encoding="utf-8")


def training_content(
    trained: TrainedTable, model: SpectralModel, id_column: str | None = None
) -> ReportContent:
    """Gather all that is known of a training.

    Parameters
    ----------
    model : the package that it made.
    id_column : of names of the spectra.

    Raises
    ------
    OptionError
        When there is no such column.
    """
    table, card = trained.table, model.card
    part = np.full(len(table), "left out", object)
    part[trained.learnt], part[trained.split.test] = TRAINING, TEST
    preprocessed = model.preprocessing.transform_or_nan(table.spectra)
    samples = Samples(
        sample_names(table, id_column),
        part,
        table.wavelengths_nm,
        table.spectra,
        preprocessed if card.preprocessing else None,
        samples_of(table, trained.options.division).groups,
        card.quantity,
    )
    limits = [card.limitations] if card.limitations else []
    division = trained.options.division
    if division.split_column is None and division.kind != "date":
        limits.append(_SAME_TABLE)
    classes = trained.options.class_column
    return ReportContent(
        title=f"Calibration of {' and '.join(trained.options.names)}",
        table=table.name,
        samples=samples,
        values=_values(trained, model),
        classes=None if classes is None else _classes(trained, model, classes),
        facts=_facts(trained, samples),
        repairs=table.repairs,
        choice=f"{trained.choice.reason}. {_others(trained)}".strip(),
        limits=tuple(limits),
        distances=None if card.domain is None else Distances.of(card.domain, preprocessed),
        methods={name: _methods(trained, name, i) for i, name in enumerate(trained.options.names)},
        fractions=trained.options.fractions,
    )


def _values(trained: TrainedTable, model: SpectralModel) -> tuple[ValueResult, ...]:
    kept, importance = trained.kept, importances(model)
    results = []
    for i, target in enumerate(model.card.targets):
        predicted = np.where(
            trained.split.test, kept.predicted[:, i], kept.cross_validated.out_of_fold[0][:, i]
        )
        lower = upper = None
        if target.interval is not None:
            half = target.interval.half_width(kept.spread[:, i])
            half[~trained.split.test] = np.nan
            lower, upper = predicted - half, predicted + half
        scores, fit, crossed = (
            _of_values(each[target.name])
            for each in (kept.tested, kept.fitted, kept.cross_validated.scores)
        )
        results.append(
            ValueResult(
                target.name,
                target.label,
                trained.target[:, i],
                predicted,
                scores,
                lower,
                upper,
                None if target.interval is None else target.interval.level,
                {"RMSEC": fit.rmsep, "RMSECV": crossed.rmsep},
                _curve(trained, target.name, i),
                importance.get(target.name),
            )
        )
    return tuple(results)


def _of_values(scores: Scores) -> ValueScores:
    assert isinstance(scores, ValueScores)
    return scores


def _classes(trained: TrainedTable, model: SpectralModel, name: str) -> ClassResult:
    scores = trained.kept.tested[name]
    assert isinstance(scores, ClassScores)
    importance = tuple(importances(model).values())
    return ClassResult(name, trained.target, scores, _curve(trained, name, 0), importance)


def _curve(trained: TrainedTable, name: str, column: int) -> ComponentsCurve | None:
    """Collect errors by latent variables: of the final method, else of the first with any."""
    for tried in trained.methods:
        curve = tried.cross_validated.curves.get(name)
        if curve is not None:
            kept = tried is trained.kept
            fitted = _fitted_errors(trained, column) if kept else None
            return ComponentsCurve(tried.label, curve.losses, curve.chosen, fitted, curve.fewest)
    return None


def _fitted_errors(trained: TrainedTable, column: int) -> _Floats | None:
    """RMSEC with 1, 2, ... latent variables, of a PLS of values."""
    model = trained.model
    if (
        trained.kept.method != "pls"
        or not isinstance(model, FittedMethod)
        or not trained.options.targets
    ):
        return None
    measured = trained.target[:, column]
    rows = trained.learnt & ~np.isnan(measured)
    preprocessed = model.preprocessing.transform(trained.table.spectra[rows])
    predicted = model.estimators[column].predict_all(preprocessed)
    errors = predicted.reshape(len(predicted), -1) - measured[rows]
    return np.asarray(np.sqrt((errors**2).mean(axis=1)))


def _facts(trained: TrainedTable, samples: Samples) -> tuple[tuple[str, str], ...]:
    training = trained.card.training
    left = int((~np.isin(samples.part, (TRAINING, TEST))).sum())
    facts = {
        "Table": f"{trained.table.name}, {counted(len(trained.table), 'spectrum')}",
        "Spectra": training["spectra"],
        "Simulated": _simulated(trained),
        "Split": trained.split.description,
        "Left out": f"{counted(left, 'row')} without a value" if left else "",
        "Cross-validation": training["cross-validation"],
        "Preprocessing": trained.settings.preprocessing,
        "Model": _model_text(trained),
    }
    return tuple((name, text) for name, text in facts.items() if text)


def _simulated(trained: TrainedTable) -> str:
    """Say which spectra were simulated."""
    if synthetic_rows(trained.table).all():
        return "all spectra of the table, those that test, too"
    return trained.card.training.get("simulated", "")


def _model_text(trained: TrainedTable) -> str:
    """Name the method with its settings, of each target where there are several."""
    names = trained.options.names
    settings = [settings_text(trained.kept, i) for i in range(len(names))]
    if len(names) > 1:
        settings = [f"{name}: {text}" for name, text in zip(names, settings, strict=True)]
    return f"{trained.kept.label}, {'; '.join(settings)}"


def _others(trained: TrainedTable) -> str:
    """List the errors of the other methods in cross-validation."""
    others = [
        f"{tried.label} {tried.cross_validated.loss:.3g} ± {tried.cross_validated.standard_error:.2g}"
        for tried in trained.methods[1:]
    ]
    return f"The others: {', '.join(others)}." if len(others) > 1 else ""


def _methods(trained: TrainedTable, name: str, column: int) -> tuple[ComparedMethod, ...]:
    p = _p_values(trained, column)
    return tuple(
        ComparedMethod(
            tried.label,
            settings_text(tried, column),
            tried is trained.kept,
            _error(tried.cross_validated.scores[name]),
            tried.cross_validated.errors[name],
            _error(tried.tested[name]),
            p_value=p.get(tried.method),
        )
        for tried in trained.methods
    )


def _p_values(trained: TrainedTable, column: int) -> Mapping[str, float]:
    """Test each method against the chosen on the test rows: p, corrected for all pairs."""
    groups = samples_of(trained.table, trained.options.division).groups
    samples = numbered(groups, len(trained.table))
    measured = _column(trained.target, column)
    rows = trained.split.test & ~pd.isna(measured)
    tests = paired_tests(
        {
            tried.method: errors_of(
                _column(tried.predicted, column)[rows][None], measured[rows], samples[rows]
            )
            for tried in trained.methods
        }
    )
    kept = trained.kept.method
    pairs = [(each, {each.first, each.second} - {kept}) for each in tests]
    return {other.pop(): each.p for each, other in pairs if len(other) == 1}


def _column(values: npt.NDArray[Any], column: int) -> npt.NDArray[Any]:
    return values if values.ndim == 1 else values[:, column]


def _error(scores: Scores) -> float:
    """RMSE of values, 1 less macro F1 of classes."""
    return 1 - scores.macro_f1 if isinstance(scores, ClassScores) else scores.rmsep
