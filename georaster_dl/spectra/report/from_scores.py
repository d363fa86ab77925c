"""Content of a report on predictions that are scored against measured values or classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted, listed
from georaster_dl.spectra.compare import MethodResult, paired
from georaster_dl.spectra.methods.explain import BandImportance, band_importance
from georaster_dl.spectra.package.model import SpectralModel
from georaster_dl.spectra.predict import PredictedValues
from georaster_dl.spectra.report.content import (
    TEST,
    ClassResult,
    ComparedMethod,
    Distances,
    ReportContent,
    Samples,
    ValueResult,
)
from georaster_dl.spectra.report.page import render_report
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.table.cells import is_text
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.training.columns import TableOptions

__all__ = [
    "comparison_content",
    "evaluation_content",
    "importances",
    "sample_names",
    "write_comparison",
    "write_evaluation",
]

_CHOSEN_HERE = (
    "For the accuracy of the best method on new spectra: it was chosen on the rows that it was tested on, which "
    "flatters it a little."
)
_SIGNIFICANT = 0.05
_TRAINED_ON = "If the model was trained on some of these rows, the figures flatter it."


def write_evaluation(
    path: Path,
    table: SpectraTable,
    scored: Mapping[str, PredictedValues | ClassScores],
    model: SpectralModel | None,
    id_column: str | None = None,
) -> None:
    """Write the page of scored predictions, of a model where that is known."""
    content = evaluation_content(table, scored, model, sample_names(table, id_column))
    path.write_text(render_report(content), encoding="utf-8")


def write_comparison(
    path: Path,
    table: SpectraTable,
    options: TableOptions,
    results: Sequence[MethodResult],
    id_column: str | None = None,
) -> None:
    """Write the page of a comparison of methods."""
    content = comparison_content(table, options, results, sample_names(table, id_column))
    path.write_text(render_report(content), encoding="utf-8")


def sample_names(table: SpectraTable, column: str | None = None) -> npt.NDArray[np.object_]:
    """(n,) names of the spectra: of a column, else of the first whose texts are all different, else numbers.

    Raises
    ------
    OptionError
        When there is no such column.
    """
    if column is None:
        columns = [name for name in table.columns if _tells_apart(table.columns[name])]
        column = str(columns[0]) if columns else None
    names = [None] * len(table) if column is None else table.classes(column).tolist()
    return np.array([name or f"spectrum {i}" for i, name in enumerate(names, 1)], object)


def _tells_apart(column: Any) -> bool:
    return bool(is_text(column).all() and column.is_unique)


def importances(model: SpectralModel) -> dict[str, BandImportance]:
    """Weights of the bands by target or class; empty where the model is no PLS with a domain."""
    coefficients = getattr(model.network, "coefficients", None)
    if model.card.architecture.name != "pls" or model.card.domain is None or coefficients is None:
        return {}
    return {each.name: each for each in band_importance(model.card, coefficients.numpy())}


def evaluation_content(
    table: SpectraTable,
    scored: Mapping[str, PredictedValues | ClassScores],
    model: SpectralModel | None,
    names: npt.NDArray[np.object_],
) -> ReportContent:
    """Gather scores of predictions and, with their model, spectra and limits.

    Parameters
    ----------
    table : of predictions; with a model its spectra are those that the model was given.
    scored : predictions of ``predict.predicted_values``, or scores of classes, by column.
    names : (n,) of the spectra.
    """
    samples = Samples(names, np.full(len(table), TEST, object))
    facts = {"Table": f"{table.name}, {counted(len(table), 'spectrum')}"}
    limits, units, distances = [_TRAINED_ON], {}, None
    importance = {} if model is None else importances(model)
    if model is not None:
        card = model.card
        preprocessed = model.preprocessing.transform_or_nan(table.spectra)
        distances = None if card.domain is None else Distances.of(card.domain, preprocessed)
        facts |= {"Model": f"{card.name}: {card.description}"}
        facts |= {"Preprocessing": card.preprocessing.steps} if card.preprocessing else {}
        limits += [card.limitations] if card.limitations else []
        units = {target.name: target.label for target in card.targets}
        samples = Samples(
            names,
            samples.part,
            table.wavelengths_nm,
            table.spectra,
            preprocessed if card.preprocessing else None,
            quantity=card.quantity,
        )
    classes = [
        ClassResult(name, table.classes(name), scores, importance=tuple(importance.values()))
        for name, scores in scored.items()
        if isinstance(scores, ClassScores)
    ]
    return ReportContent(
        title=f"Predictions of {' and '.join(scored)}",
        table=table.name,
        samples=samples,
        values=tuple(
            ValueResult(
                name,
                units.get(name, name),
                values.measured,
                values.predicted,
                values.scores,
                values.lower,
                values.upper,
                values.level,
                importance=importance.get(name),
            )
            for name, values in scored.items()
            if not isinstance(values, ClassScores)
        ),
        classes=classes[0] if classes else None,
        facts=tuple(facts.items()),
        repairs=table.repairs,
        limits=tuple(limits),
        distances=distances,
    )


def comparison_content(
    table: SpectraTable,
    options: TableOptions,
    results: Sequence[MethodResult],
    names: npt.NDArray[np.object_],
) -> ReportContent:
    """Gather the scores of several methods on the same rows, the best first.

    Parameters
    ----------
    results : of ``compare``.
    names : (n,) of the spectra of the table.
    """
    of_classes = options.class_column is not None
    errors = {result.method: _errors(result) for result in results}
    ranked = sorted(results, key=lambda result: float(errors[result.method].mean()))
    best = ranked[0]
    p = {test.second: test.p for test in paired(results) if test.first == best.method}
    (name,) = options.names
    part = np.full(len(table), "left out", object)
    part[best.rows] = TEST
    return ReportContent(
        title=f"Methods for {name}",
        table=table.name,
        samples=Samples(names, part, table.wavelengths_nm, table.spectra, quantity="as measured"),
        values=() if of_classes else tuple(_value(result, name, table) for result in ranked),
        classes=_of_classes(best, name, table) if of_classes else None,
        facts=(
            ("Table", f"{table.name}, {counted(len(table), 'spectrum')}"),
            ("Tested", counted(len(best.rows), "spectrum")),
            ("Seeds", f"{len(best.scores)}; scores of values are means, charts are of the first"),
        ),
        repairs=table.repairs,
        choice=_told_apart(best.method, p),
        limits=(_CHOSEN_HERE,),
        methods={
            name: tuple(
                ComparedMethod(
                    result.method,
                    test=float(errors[result.method].mean()),
                    test_sd=float(errors[result.method].std(ddof=1))
                    if len(result.scores) > 1
                    else None,
                    p_value=p.get(result.method),
                )
                for result in ranked
            )
        },
    )


def _errors(result: MethodResult) -> npt.NDArray[np.float64]:
    """(seeds,) RMSEP of values, 1 less macro F1 of classes."""
    return np.array(
        [
            1 - each.macro_f1 if isinstance(each, ClassScores) else each.rmsep
            for each in result.scores
        ]
    )


def _value(result: MethodResult, name: str, table: SpectraTable) -> ValueResult:
    measured, predicted = np.full((2, len(table)), np.nan)
    measured[result.rows], predicted[result.rows] = result.measured, result.predicted[0]
    means = np.mean([astuple(each) for each in result.scores], axis=0)
    scores = ValueScores(int(means[0]), *means[1:].tolist())
    return ValueResult(name, name, measured, predicted, scores, method=result.method)


def _of_classes(result: MethodResult, name: str, table: SpectraTable) -> ClassResult:
    reference = np.full(len(table), None, object)
    reference[result.rows] = result.measured
    scores = ClassScores.of(result.predicted[0], result.measured)
    return ClassResult(name, reference, scores, method=result.method)


def _told_apart(best: str, p: Mapping[str, float]) -> str:
    """Word the paired tests: methods as good as the best, and worse."""
    alike = [method for method, value in p.items() if value >= _SIGNIFICANT]
    worse = [method for method in p if method not in alike]
    parts = [f"{best} errs least on these rows"]
    if alike:
        parts.append(f"{listed(alike, 8)} cannot be told from it (p {_SIGNIFICANT:g} or more)")
    if worse:
        parts.append(f"{listed(worse, 8)} {'errs' if len(worse) == 1 else 'err'} more")
    return "; ".join(parts) + "."
