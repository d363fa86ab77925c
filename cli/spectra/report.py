"""Pages of ``--report`` of the commands of ``geodl spectra``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from georaster_dl.spectra.compare import MethodResult
    from georaster_dl.spectra.package.model import SpectralModel
    from georaster_dl.spectra.predict import PredictedValues
    from georaster_dl.spectra.scoring.scores import ClassScores
    from georaster_dl.spectra.table.samples import SpectraTable
    from georaster_dl.spectra.training.columns import TableOptions
    from georaster_dl.spectra.training.result import TrainedTable

    Scored = Mapping[str, PredictedValues | ClassScores]

__all__ = ["write_comparison", "write_evaluation", "write_training"]


def write_training(path: Path, trained: TrainedTable, package: Path, id_column: str | None) -> None:
    """Write the page of a training, which made a package."""
    from georaster_dl.spectra.package.file import load_spectral_model
    from georaster_dl.spectra.report.from_training import training_content
    from georaster_dl.spectra.report.page import render_report

    content = training_content(trained, load_spectral_model(package), id_column)
    path.write_text(render_report(content), encoding="utf-8")


def write_evaluation(
    path: Path,
    table: SpectraTable,
    scored: Scored,
    model: SpectralModel | None,
    id_column: str | None,
) -> None:
    """Write the page of scored predictions, of a model where that is known."""
    from georaster_dl.spectra.report.from_scores import evaluation_content, sample_names
    from georaster_dl.spectra.report.page import render_report

    content = evaluation_content(table, scored, model, sample_names(table, id_column))
    path.write_text(render_report(content), encoding="utf-8")


def write_comparison(
    path: Path,
    table: SpectraTable,
    options: TableOptions,
    results: Sequence[MethodResult],
    id_column: str | None,
) -> None:
    """Write the page of a comparison of methods."""
    from georaster_dl.spectra.report.from_scores import comparison_content, sample_names
    from georaster_dl.spectra.report.page import render_report

    content = comparison_content(table, options, results, sample_names(table, id_column))
    path.write_text(render_report(content), encoding="utf-8")
