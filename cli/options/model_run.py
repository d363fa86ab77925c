"""Options of commands that run a model over a scene, and the run with its progress and result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.bands import MOST_NAMED
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Event, Finished, InferenceStarted, ModelChosen, Report
from georaster_dl.core.process import tune_allocators

from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from .groups import option_group
from .shared import (
    INPUT_FILE,
    SCENE_OPTIONS,
    device_option,
    grid_option,
    overwrite_option,
    precision_option,
    scene_reading,
    wavelengths_option,
)

if TYPE_CHECKING:
    from georaster_dl.predict.options import Summary

__all__ = ["model_run_options", "run_model", "stack_run_options", "with_matching"]


def _parse_halo(text: str) -> int | str:
    if text in ("auto", "exact"):
        return text
    if not text.isdecimal():
        raise OptionError(f"--halo must be auto, exact or a number of pixels, not {text!r}.")
    return int(text)


def _run_settings(
    bands: str | None,
    nodata: float | None,
    scale: float | None,
    offset: float | None,
    mask: str | None,
    wavelengths: tuple[float, ...] | None,
    grid: Path | None,
    **settings: Any,
) -> dict[str, Any]:
    reading = scene_reading(bands, nodata, scale, offset, mask, wavelengths, grid)
    return {"scene": reading, **settings}


_AOI = click.option(
    "--aoi", type=INPUT_FILE, metavar="FILE", help="Polygons (any CRS) that limit the output."
)
_HALO = click.option(
    "--halo",
    default="auto",
    callback=lambda _ctx, _param, text: _parse_halo(text),
    metavar="auto|exact|PIXELS",
    help="Context around a tile: the model's own (auto, the default), so much that tiles leave no trace "
    "(exact), or a number of pixels.",
)

model_run_options = option_group(
    "settings",
    _run_settings,
    overwrite_option,
    _AOI,
    click.option(
        "--resample",
        is_flag=True,
        help="Make the model's bands from the scene's by their wavelengths (Gaussian responses).",
    ),
    *SCENE_OPTIONS,
    wavelengths_option,
    grid_option,
    _HALO,
    device_option(),
    precision_option(),
)
"""Options of a model's run over a scene; gives ``settings``, keyword arguments of ``RunOptions``."""

stack_run_options = option_group(
    "settings", dict, overwrite_option, _AOI, _HALO, device_option(), precision_option()
)
"""Options of a model's run over a stack, which has options of its own for reading; gives ``settings``."""


def run_model(
    terminal: Terminal,
    run: Callable[[Report], Summary],
    results: Callable[[Summary], Mapping[str, Any]],
    contents: Callable[[Summary], str],
) -> int:
    """Run a model with progress, print the result, and give the exit status.

    Parameters
    ----------
    results : of the finished run, for ``--progress json``, beside its files, seconds, pixels and device.
    contents : a line on what the rasters hold, for people.
    """
    tune_allocators()

    def event(summary: Summary) -> Finished:
        general = {"pixels": summary.pixels, "device": summary.device}
        seconds = round(summary.seconds, 3)
        return finished(summary.files, summary.failed, seconds, **general, **results(summary))

    def show(summary: Summary) -> None:
        click.echo(contents(summary))
        megapixels = summary.pixels / 1e6
        click.echo(
            f"{megapixels:.3g} Mpx in {summary.seconds:.1f} s "
            f"({megapixels / summary.seconds:.2g} Mpx/s, {summary.device})"
        )
        print_outputs(summary.files)

    return run_with_progress(
        terminal,
        lambda report: run(with_matching(report) if terminal.prints else report),
        event,
        show,
        warnings=_limitations,
    )


def _limitations(summary: Summary) -> Iterator[str]:
    """Yield the limitations that the model card states for this run."""
    from georaster_dl.predict.limitations import run_limitations

    yield from run_limitations(
        summary.card, summary.model.stem, summary.findings.counts, summary.place
    )


def with_matching(report: Report) -> Report:
    """Make a report that also prints, once, the model that was chosen and its match with the bands."""
    printed = set()

    def report_and_print(event: Event) -> None:
        report(event)
        for line in _lines(event):
            if line not in printed:  # a run that starts over reports its start again
                printed.add(line)
                click.echo(line, err=True)

    return report_and_print


def _lines(event: Event) -> Iterator[str]:
    if isinstance(event, ModelChosen):
        scores = ", ".join(f"{name} {value:.2f}" for name, value in event.metrics.items())
        yield (
            f"no model named: using {event.model} {event.version} "
            f"({scores}{'; ' if scores else ''}geodl models show {event.model})"
        )
    if not isinstance(event, InferenceStarted):
        return
    if event.absent:
        yield f"{event.model} runs without {', '.join(event.absent)} (absent in the scene)"
    if event.resampled:
        yield f"the scene's bands are resampled to the wavelengths of {event.model}"
    taken = [f"{band} for {name}" for name, band in event.matched_by_wavelength.items()]
    if len(taken) > MOST_NAMED:
        yield f"by wavelength it takes {len(taken)} bands: {taken[0]} to {taken[-1]}"
    elif taken:
        yield f"by wavelength it takes {', '.join(taken)}"
