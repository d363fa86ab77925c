"""Content of a report on predictions that are scored against measured values or classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted
from georaster_dl.spectra.package.model import SpectralModel
from georaster_dl.spectra.predict import PredictedValues
from georaster_dl.spectra.report.content import (
    TEST,
    ClassResult,
    Distances,
    ReportContent,
    Samples,
    ValueResult,
)
from georaster_dl.spectra.scoring.scores import ClassScores
from georaster_dl.spectra.table.cells import is_text
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["evaluation_content", "sample_names"]

_TRAINED_ON = "If the model was trained on some of these rows, the figures flatter it."


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
        ClassResult(name, table.classes(name), scores)
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
