"""``geodl lidar segment``: classes of the points of a rotating LiDAR, slice by slice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from georaster_dl.core.events import Finished, Report
from georaster_dl.core.process import tune_allocators
from georaster_dl.core.wording import counted

from ..options.shared import device_option, model_option, overwrite_option, progress_options
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs, print_table

if TYPE_CHECKING:
    from georaster_dl.lidar.sequences.segment import SegmentedSequence

__all__ = ["segment"]


@click.command()
@click.argument("sequence", type=click.Path(exists=True, path_type=Path))
@model_option(required=True)
@click.option(
    "-o",
    "--output",
    "out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder for the labels of each scan, latency.csv and summary.json.",
)
@click.option(
    "--slices",
    type=click.IntRange(1, 36),
    metavar="N",
    help="Slices of a turn, each classified as soon as it is measured; those of the training by default. 1 waits for "
    "whole turns.",
)
@device_option()
@overwrite_option
@progress_options
def segment(
    *,
    sequence: Path,
    model: str,
    out: Path,
    slices: int | None,
    device: str,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Classify the points of a rotating LiDAR as they come, slice by slice.

    SEQUENCE is a folder of scans in the layout of HelixNet, KITTI or RELLIS-3D, or LAS or LAZ files with GPS times. A
    slice sees the same part of the two turns before it, and nothing of what comes later. Labels are written in the
    sequence's layout: a value for each point of the file, 0 where there was no return. Says how long a slice takes,
    and whether the computer keeps pace with the sensor; scores where the sequence has labels.

    \b
    geodl lidar segment drive/ -m helix.safetensors -o classified/
    geodl lidar segment drive/ -m helix.safetensors -o classified/ --slices 1
    """
    from georaster_dl.lidar.sequences.options import SegmentOptions
    from georaster_dl.models.package.file import find_model

    tune_allocators()
    options = SegmentOptions(slices, device, overwrite)

    def run(report: Report) -> SegmentedSequence:
        from georaster_dl.lidar.sequences.segment import segment_sequence

        return segment_sequence(sequence, find_model(model), out, options, report)

    return run_with_progress(terminal, run, _finished, _print)


def _finished(made: SegmentedSequence) -> Finished:
    return finished([made.folder], made.failed, round(made.seconds, 3), **made.to_dict())


def _print(made: SegmentedSequence) -> None:
    iou = (
        None
        if made.confusion is None
        else dict(zip(made.confusion.names, made.confusion.iou, strict=True))
    )
    total = max(sum(made.points.values()), 1)
    rows = [
        (name, f"{100 * n / total:.1f}", *(() if iou is None else (f"{iou[name]:.3f}",)))
        for name, n in made.points.items()
    ]
    print_table(("class", "% of points", *(() if iou is None else ("IoU",))), rows)
    if made.confusion is not None:
        click.echo(
            f"mIoU {made.confusion.mean_iou:.3f}, overall accuracy {made.confusion.overall_accuracy:.3f}"
        )
    latency = made.latency
    pace = "real time" if latency.real_time else "slower than the sensor"
    click.echo(
        f"{counted(made.rotations, 'rotation')} of {counted(made.slices, 'slice')}: acquisition {1000 * latency.acquisition_s:.0f} ms + "
        f"inference {1000 * latency.inference_s:.0f} ms = {1000 * latency.sum_s:.0f} ms; {pace} "
        f"({100 * latency.late:.0f} % of slices late, the slowest {1000 * latency.slowest_s:.0f} ms)"
    )
    print_outputs([made.folder])
