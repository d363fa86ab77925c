"""``geodl spectra train --physics``: traits of leaves through a radiative transfer model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Report, Started

from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs, print_table
from .methods import make_page, print_trained, trained_results
from .options import Columns, Outcome, TableReading, Training, staged

if TYPE_CHECKING:
    from georaster_dl.spectra.physics.train import TrainedTraits
    from georaster_dl.spectra.training.result import TrainedTable

    Trained = TrainedTraits | TrainedTable

__all__ = ["physics_option", "train_by_physics"]

physics_option = click.option(
    "--physics",
    type=click.Choice(["prospect"]),
    help="Explain the reflectance of leaves by a radiative transfer model, without labels, or calibrated by --target.",
)


def train_by_physics(
    physics: str,
    data: Sequence[Path],
    columns: Columns,
    output: Path,
    reading: TableReading,
    training: Training,
    *,
    html: Path | None,
    repeats: int,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Train on a table through a radiative transfer model, and print traits or figures."""
    given = _given(click.get_current_context())
    pages = [] if html is None else [html]

    def trained(report: Report) -> Outcome[Trained]:
        from georaster_dl.spectra.physics.train import check_given, train_physics
        from georaster_dl.spectra.training.result import TrainedTable

        check_given(given, columns.targets)
        with staged(report, output, extras=pages, inputs=data, overwrite=overwrite) as stage:
            table = reading.read(data, report)
            report(Started("cpu"))
            result = train_physics(
                table,
                stage.path(output),
                physics,
                training.table_options(columns, repeats=repeats),
                training.settings(),
                report,
                ranges=training.ranges,
            )
            if html is not None and isinstance(result, TrainedTable):
                make_page(html, result, stage.path(output), stage, reading.id_column)
        return Outcome(result, [output, *stage.made(pages)], stage.failed)

    return run_with_progress(
        terminal,
        trained,
        lambda outcome: finished(
            outcome.files,
            outcome.failed,
            round(outcome.value.seconds, 1),
            metrics=outcome.value.card.metrics,
            **_results(outcome.value),
        ),
        _print_trained,
        warnings=lambda outcome: [f"{output.stem}: {outcome.value.card.limitations}"],
    )


def _given(context: click.Context) -> list[str]:
    """List options given on the command line, by their names."""
    return [
        name
        for name in context.params
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]


def _print_trained(outcome: Outcome[Trained]) -> None:
    from georaster_dl.spectra.training.result import TrainedTable

    if isinstance(outcome.value, TrainedTable):
        print_trained(outcome.value)
    else:
        _print_traits(outcome.value)
    print_outputs(outcome.files)


def _print_traits(trained: TrainedTraits) -> None:
    click.echo(trained.card.training["spectra"])
    click.echo(f"misfit: {trained.misfit:.4f} reflectance")
    click.echo()
    rows = [
        (target.name, target.unit, *(f"{value:.4g}" for value in _moments(trained, target.name)))
        for target in trained.card.targets
    ]
    print_table(("trait", "unit", "mean", "sd", "least", "most"), rows)


def _results(trained: Trained) -> dict[str, Any]:
    from georaster_dl.spectra.training.result import TrainedTable

    return trained_results(trained) if isinstance(trained, TrainedTable) else _traits(trained)


def _traits(trained: TrainedTraits) -> dict[str, Any]:
    return {
        "traits": [
            dict(
                zip(
                    ("name", "unit", "mean", "sd", "least", "most"),
                    (target.name, target.unit, *_moments(trained, target.name)),
                    strict=True,
                )
            )
            for target in trained.card.targets
        ]
    }


def _moments(trained: TrainedTraits, name: str) -> tuple[float, ...]:
    values = trained.values[name]
    return tuple(map(float, (values.mean(), values.std(), values.min(), values.max())))
