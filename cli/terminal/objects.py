"""Comparison of objects, printed for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted

from .results import print_table

if TYPE_CHECKING:
    from georaster_dl.evaluation.objects.result import ObjectEvaluation

__all__ = ["print_objects"]


def print_objects(evaluation: ObjectEvaluation) -> None:
    """Print scores, warnings and notes."""
    from georaster_dl.evaluation.objects.result import HEADS
    from georaster_dl.evaluation.report.text import between, percent

    click.echo(
        f"{visible(evaluation.map.name)} against {visible(evaluation.reference.name)} (objects): "
        f"{evaluation.compared()}\n"
    )
    for warning in evaluation.warnings:
        click.echo(f"WARNING: {warning}\n")
    print_table(HEADS, evaluation.rows())
    t, ends = evaluation.total, evaluation.intervals

    def spread(figure: float, interval: object) -> str:
        low_high = between(interval)  # type: ignore[arg-type]
        return f"{percent(figure)} ({low_high})" if low_high else percent(figure)

    click.echo(
        f"At IoU 0.5: precision {spread(t.precision, ends.precision)}, recall {spread(t.recall, ends.recall)}, F1 "
        f"{spread(t.f1, ends.f1)}, panoptic quality {percent(t.panoptic_quality)}; all in percent."
    )
    if evaluation.scored:
        aps = t.average_precisions or (float("nan"),) * 6
        click.echo(
            f"Average precision over IoU 0.5 to 0.95 {percent(t.average_precision)}, at 0.5 {percent(aps[0])}, at 0.75 "
            f"{percent(aps[5])}."
        )
    else:
        click.echo(f"Mean F1 over IoU 0.5 to 0.95 {percent(t.mean_f1)}.")
    click.echo(
        f"Boundary F1 {percent(t.boundary.f1)} within {evaluation.tolerance} (precision {percent(t.boundary.precision)}, "
        f"recall {percent(t.boundary.recall)})."
    )
    unit = " m2" if evaluation.metric else ""
    click.echo(f"Area {t.mapped_area:,.0f} mapped, {t.reference_area:,.0f}{unit} in the reference.")
    if ends.replicates:
        click.echo(f"In brackets: 95 % intervals from {counted(ends.blocks, 'block')} of ground.")
    for note in evaluation.notes:
        click.echo(f"note: {note}")
