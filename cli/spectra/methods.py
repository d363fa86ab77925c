"""Methods of a training as printed, and as results for programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from ..terminal.hints import with_options
from ..terminal.results import print_table

if TYPE_CHECKING:
    from pathlib import Path

    from georaster_dl.io.output.staging import Staging
    from georaster_dl.spectra.training.result import TrainedTable

__all__ = ["make_page", "print_trained", "trained_results"]


def make_page(
    html: Path, trained: TrainedTable, package: Path, stage: Staging, id_column: str | None
) -> None:
    """Write the report of a training as an extra output; ``package`` is its model package while it is staged."""
    from georaster_dl.spectra.report.from_training import write_training

    with stage.making(html) as path:
        write_training(path, trained, package, id_column)


def print_trained(trained: TrainedTable) -> None:
    """Print the split, the figures of all methods, and the choice with its reason."""
    from georaster_dl.spectra.training.card_text import method_figures, settings_text

    click.echo(f"{trained.card.training['spectra']} ({trained.split.description})")
    click.echo(f"cross-validation: {trained.options.folding}")
    for i, name in enumerate(trained.options.names):
        figures = {tried.label: method_figures(tried)[name] for tried in trained.methods}
        rows = [
            (tried.label, settings_text(tried, i), *map(_number, figures[tried.label].values()))
            for tried in trained.methods
        ]
        click.echo()
        print_table((name, "settings", *next(iter(figures.values()))), rows)
        curve = trained.kept.cross_validated.curves.get(name)
        if curve is not None:
            loss = "RMSECV" if trained.options.targets else trained.options.measure
            click.echo(f"{name}: {with_options(curve.text(loss))}")
    click.echo(trained.choice.reason)


def trained_results(trained: TrainedTable) -> dict[str, Any]:
    """Collect the methods with their figures by target, the chosen one first, and the reason of the choice."""
    from georaster_dl.spectra.training.card_text import method_figures

    return {
        "method": trained.choice.kept,
        "choice": trained.choice.reason,
        "methods": [
            {"method": tried.method, "figures": _finite(method_figures(tried))}
            for tried in trained.methods
        ],
    }


def _finite(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    return {
        name: {key: value if math.isfinite(value) else None for key, value in of_target.items()}
        for name, of_target in figures.items()
    }


def _number(value: float) -> str:
    return f"{value:#.4g}" if math.isfinite(value) else ""
