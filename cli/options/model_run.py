"""What every command that runs a model over a scene has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from georaster_dl.core.bands import MOST_NAMED
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Event, InferenceStarted, ModelChosen, Report, Warned
from georaster_dl.core.wording import listed
from georaster_dl.io.files.scene_names import file_name, scene_stem

from ..terminal.progress import reporting
from ..terminal.results import finished, print_outputs, status_of
from .shared import scene_options, scene_settings

if TYPE_CHECKING:
    from georaster_dl.predict.options import Summary

__all__ = [
    "check_suffix",
    "default_output",
    "model_run_options",
    "run_settings",
    "run_told",
    "spoken",
]

F = TypeVar("F", bound=Callable[..., Any])


def model_run_options(command: F) -> F:
    """Options that say on what of a scene, where and how a model runs."""
    for option in (
        click.option(
            "--precision",
            type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
            default="auto",
            help="Arithmetic of the network; auto takes the fastest for classes and fp32 for values.",
        ),
        click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N."),
        click.option(
            "--halo",
            default="auto",
            help="Pixels of context around a tile, auto (the model's own) or exact.",
        ),
        scene_options,
        click.option(
            "--resample",
            is_flag=True,
            help="Make the model's bands from the scene's by their wavelengths (Gaussian responses).",
        ),
        click.option(
            "--aoi",
            type=click.Path(path_type=Path),
            help="Polygons (any CRS) that limit the output.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace outputs that exist."),
    ):
        command = option(command)
    return command


def run_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """What ``model_run_options`` collected, as ``RunOptions`` takes it."""
    halo = given["halo"]
    if halo not in ("auto", "exact"):
        if not halo.isdecimal():
            raise OptionError(f"--halo must be auto, exact or a number of pixels, not {halo!r}.")
        halo = int(halo)
    return {
        "scene": scene_settings(given),
        "aoi": given["aoi"],
        "device": given["device"],
        "precision": given["precision"],
        "halo": halo,
        "resample": given["resample"],
        "overwrite": given["overwrite"],
    }


def default_output(scene: str, subject: str) -> Path:
    """Name of an output in the working folder: the scene's own, and what the output is."""
    return Path(f"{file_name(scene_stem(scene))}_{subject}.tif")


def check_suffix(option: str, path: Path | None, kind: str, endings: tuple[str, ...]) -> None:
    """Refuse a file whose name promises another format: it opens nowhere."""
    if path is not None and path.suffix.lower() not in endings:
        raise OptionError(f"{option} makes {kind}, but its name is {path}; end it in {endings[0]}.")


def run_told(
    run: Callable[[Report], Summary],
    progress: str,
    quiet: bool,
    log: Path | None,
    *,
    facts: Callable[[Summary], Mapping[str, Any]],
    found: Callable[[Summary], str],
) -> int:
    """Run, tell how it goes, and at the end what was made; gives the exit status.

    Parameters
    ----------
    facts : of the finished run, beside its files, seconds and device, for ``--progress json``.
    found : a line on what the rasters hold, for people.
    """
    talking = progress == "bar" and not quiet
    with reporting(progress, quiet, log) as report:
        summary = run(spoken(report) if talking else report)
        for message in _doubts(summary):
            report(Warned(message))
        results = {"pixels": summary.pixels, "device": summary.device, **facts(summary)}
        report(finished(summary.files, summary.failed, round(summary.seconds, 3), **results))
    if talking:
        _print(summary, found(summary))
    return status_of(summary.failed)


def _doubts(summary: Summary) -> Iterator[str]:
    """What the card says against trusting this map."""
    from georaster_dl.models.package.limitations import far_warning, poor_classes_warning

    card, name = summary.card, summary.model.stem
    present = [of_class for of_class, pixels in summary.findings.counts.items() if pixels]
    if card.limitations:
        yield f"{name}: {card.limitations}"
    yield from filter(None, [poor_classes_warning(name, card.metrics, present)])
    yield from filter(None, [far_warning(name, card.places, summary.place)])


def spoken(report: Report) -> Report:
    """The report that also says, once, which model was chosen and how it reads the scene's bands."""
    said = set()

    def tell(event: Event) -> None:
        report(event)
        for line in _lines(event):
            if line not in said:  # a run that starts over tells its start again
                said.add(line)
                click.echo(line, err=True)

    return tell


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
    if event.matched_by_wavelength:
        taken = [f"{band} for {name}" for name, band in event.matched_by_wavelength.items()]
        yield f"by wavelength it takes {listed(taken, MOST_NAMED)}"


def _print(summary: Summary, found: str) -> None:
    click.echo(found)
    megapixels = summary.pixels / 1e6
    click.echo(
        f"{megapixels:.3g} Mpx in {summary.seconds:.1f} s "
        f"({megapixels / summary.seconds:.2g} Mpx/s, {summary.device})"
    )
    print_outputs(summary.files)
