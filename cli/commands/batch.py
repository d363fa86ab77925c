"""``geodl batch``: many scenes through one model, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import (
    BatchChecked,
    Event,
    Finished,
    ModelChosen,
    Progressed,
    Report,
    Started,
    Warned,
)
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted

from ..options.map_outputs import (
    MapCommand,
    asked_outputs,
    asks_for_float32,
    map_outputs,
    output_options,
)
from ..options.model_run import model_run_options, run_settings, spoken
from ..options.shared import (
    OUTPUT_FOLDER,
    check_resources,
    model_option,
    run_options,
    scene_argument,
    scheduler_options,
)
from ..terminal.hints import with_options
from ..terminal.progress import end_with_parent, reporting
from ..terminal.results import SOME_SCENES_FAILED, finished, status_of
from .segment import subject

if TYPE_CHECKING:
    from georaster_dl.batch.job import SceneJob
    from georaster_dl.batch.pools.workers import SceneReport, Workers
    from georaster_dl.batch.run import BatchResult
    from georaster_dl.batch.scenes.find import ListedScene
    from georaster_dl.models.package.card import Card

__all__ = ["batch"]

_MOST_TOLD = 10  # scenes that cannot be done, before the rest is counted


@click.command(cls=MapCommand)
@scene_argument
@model_option
@click.option(
    "-d",
    "--directory",
    required=True,
    type=OUTPUT_FOLDER,
    help="Folder for the maps and the reports; made where it does not exist.",
)
@click.option("--features", is_flag=True, help="Write features, as geodl features does, not maps.")
@click.option("--layer", metavar="NAME", help="With --features: the layer, as of geodl features.")
@output_options(name_files=False)
@click.option(
    "--workers", type=click.IntRange(1), default=1, help="Scenes at a time on this machine; 1."
)
@click.option(
    "--retries", type=click.IntRange(0), default=1, help="Further attempts at a failed scene; 1."
)
@click.option(
    "--on-error",
    type=click.Choice(["continue", "stop"]),
    default="continue",
    help="Whether the other scenes are still done when one fails.",
)
@scheduler_options
@model_run_options
@run_options
def batch(scene: tuple[str, ...], progress: str, quiet: bool, **given: Any) -> int:
    """Run a model over many scenes; run it again to do what is missing.

    SCENE is a scene as geodl segment reads it, a pattern, a folder of scenes, a list (.txt, .csv) or
    a STAC item collection. Without -m, scenes of Sentinel-2 are mapped by the bundled model s2-landcover
    and others fail. Scenes whose outputs stand, made by the same model with the same options
    of the same input, are skipped. The folder gets a report: batch.html, batch.csv, batch.json.
    Exit status: 0 all done, 3 some are not, 4 all maps are made but something beside them is not,
    1 the command itself is wrong.

    \b
    geodl batch 'scenes/*.tif' -m s2-landcover -d maps --workers 2
    geodl batch items.json -m model.safetensors -d maps --scheduler tcp://head:8786
    """
    if given["parent_pipe"]:
        end_with_parent()
    _check(given)
    talking = progress == "bar" and not quiet
    with reporting(progress, quiet, given["log"]) as report:
        tally = _Tally(spoken(report) if talking else report)
        try:
            result = _run(scene, given, tally)
        except KeyboardInterrupt:
            if talking:
                click.echo("stopped; run the same command again to go on", err=True)
            raise
        for message in _doubts(given["model"], result):
            report(Warned(message))
        report(_finished(result))
    if talking:
        _print(result, tally.failing)
    elif quiet:
        _print_failed(result, (), errors=True)
    if result.count("failed") or result.count("not run"):
        return SOME_SCENES_FAILED
    return status_of(result.failed)


def _check(given: Mapping[str, Any]) -> None:
    check_resources(given)
    if given["layer"] and not given["features"]:
        raise OptionError("--layer is for --features; add that, or leave --layer out.")
    asked = asked_outputs(given)
    if asked and given["features"]:
        raise OptionError(f"--{asked[0]} is of maps; leave it or --features out.")
    if given["features"] and given["model"] is None:
        raise OptionError("--features needs a model; name one with -m, such as s2-landcover.")
    if given["scheduler"] and given["workers"] > 1:
        raise OptionError(
            "--workers is for this machine alone; with --scheduler its workers do the scenes."
        )


def _run(scenes: tuple[str, ...], given: Mapping[str, Any], tally: _Tally) -> BatchResult:
    from georaster_dl.batch.run import WORK_FOLDER, BatchOptions, run_batch
    from georaster_dl.batch.scenes.find import list_scenes

    folder: Path = given["directory"].absolute()
    listed = list_scenes(scenes, folder / WORK_FOLDER / "items")
    return run_batch(
        _jobs(listed, folder, given),
        folder,
        _hiring(given, tally.event),
        BatchOptions(given["retries"], given["on_error"], _workers_here(given), with_options),
        tally.told,
    )


def _workers_here(given: Mapping[str, Any]) -> int:
    """Count the scenes that are processed at a time on this machine."""
    from georaster_dl.batch.pools.scheduler import local_count

    count = None if given["scheduler"] is None else local_count(given["scheduler"])
    return given["workers"] if count is None else count


def _jobs(listed: list[ListedScene], folder: Path, given: Mapping[str, Any]) -> list[SceneJob]:
    from georaster_dl.batch.job import SceneJob
    from georaster_dl.batch.run import WORK_FOLDER
    from georaster_dl.models.package.file import find_model, read_card
    from georaster_dl.predict.options import FeatureOptions, FeatureOutputs, SegmentOptions

    model = None if given["model"] is None else find_model(given["model"]).absolute()
    settings = run_settings(given)
    card = None if model is None else read_card(model)
    if model and card and given["layer"]:
        _check_layer(model, card, given["layer"])
    kind = "features" if given["features"] else subject(card)
    jobs = []
    for scene in listed:
        raster = folder / f"{scene.name}_{kind}.tif"
        kept: dict[str, Any] = {
            "record": raster.with_suffix(".json"),
            "journal": folder / WORK_FOLDER / "strips" / raster.stem,
        }
        if given["features"]:
            features = FeatureOptions(**settings, **kept, layer=given["layer"])
            outputs = FeatureOutputs(raster)
            jobs.append(SceneJob(scene.name, scene.sources, model, outputs, features))
            continue
        maps = map_outputs(raster, given)
        options = SegmentOptions(**settings, **kept, float32=asks_for_float32(given))
        jobs.append(SceneJob(scene.name, scene.sources, model, maps, options))
    return jobs


def _check_layer(model: Path, card: Card, layer: str) -> None:
    """Refuse a layer that the network does not have before all scenes fail for it."""
    from georaster_dl.models.runtime.features import FeatureNetwork
    from georaster_dl.models.runtime.optional_bands import load_narrowed

    network = load_narrowed(model, [band.name for band in card.bands])[1]
    FeatureNetwork(network, len(card.bands), layer, error=False)


def _hiring(given: Mapping[str, Any], report: SceneReport) -> Callable[[], Workers]:
    if given["scheduler"] is None:
        from georaster_dl.batch.pools.local import LocalWorkers

        return lambda: LocalWorkers(given["workers"], report)
    from georaster_dl.batch.pools.scheduler import scheduled_workers

    return lambda: scheduled_workers(given["scheduler"], given["resources"], report)


class _Tally:
    """What runs and batch report, as progress over the pixels of all scenes.

    Attributes
    ----------
    failing : names of the scenes that were known to fail, and told of, before anything was done.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._pixels: dict[str, int] = {}
        self._progress: Callable[[int], None] = lambda _pixels: None
        self._model_reported = False
        self.failing: set[str] = set()

    def event(self, name: str, event: Event) -> None:
        """Take an event of the run of one scene."""
        if isinstance(event, Progressed):
            # An attempt after a failed one counts from there on where it comes further.
            more = event.done - self._pixels.get(name, 0)
            if more > 0:
                self._pixels[name] = event.done
                self._progress(more)
        elif isinstance(event, Warned):
            self._report(Warned(f"{name}: {event.message}"))
        elif isinstance(event, ModelChosen) and not self._model_reported:
            self._model_reported = True
            self._report(event)

    def told(self, event: Event) -> None:
        """Take an event of the batch."""
        self._report(event)
        if isinstance(event, BatchChecked):
            self._begin(event)

    def _begin(self, checked: BatchChecked) -> None:
        from georaster_dl.predict.progress import Progress

        self.failing = set(checked.failing)
        for name, error in islice(checked.failing.items(), _MOST_TOLD):
            self._report(Warned(f"{name} cannot be done: {error}"))
        more = len(self.failing) - _MOST_TOLD
        if more > 0:
            message = (
                f"{counted(more, 'more scene')} cannot be done; batch.html and batch.csv say why"
            )
            self._report(Warned(message))
        if checked.pixels:
            self._report(Started(counted(checked.ready, "scene")))
            self._progress = Progress(checked.pixels, self._report)


def _doubts(model: str | None, result: BatchResult) -> Iterator[str]:
    """What the card says against trusting these maps, once for all of them."""
    from georaster_dl.models.package.file import find_model, read_card
    from georaster_dl.models.package.limitations import FAR_KM, distance_km, poor_classes_warning
    from georaster_dl.predict.matching.default_model import default_model

    path = default_model() if model is None else find_model(model)
    if path is None:
        return
    card, name = read_card(path), path.stem
    done = [row for row in result.rows if row.status == "done"]
    present = {c: None for row in done for c, n in row.record.get("classes", {}).items() if n}
    yield from filter(None, [poor_classes_warning(name, card.metrics, present)])
    placed = [row.record["place"] for row in done if row.record.get("place") and card.places]
    distances = [distance_km(card.places, place) for place in placed]
    far = [distance for distance in distances if distance > FAR_KM]
    if far:
        yield (
            f"{len(far)} of {counted(len(done), 'scene')} {'is' if len(far) == 1 else 'are'} up to "
            f"{max(far):,.0f} km from the nearest place that "
            f"{name} was trained or tested at: its accuracy there is unknown"
        )


def _finished(result: BatchResult) -> Finished:
    counts = {status: result.count(status) for status in ("done", "skipped", "failed", "not run")}
    return finished(result.files, result.failed, round(result.seconds, 3), scenes=counts)


def _print_failed(result: BatchResult, failing: Collection[str], *, errors: bool) -> None:
    """Say which scenes failed; to standard error where nothing else is printed."""
    for row in result.rows:
        if row.status == "failed" and row.name not in failing:
            reason = visible(row.error.split(". ")[0])  # all of it stands in the reports
            click.echo(f"failed: {row.name}: {reason}", err=errors)


def _print(result: BatchResult, failing: Collection[str]) -> None:
    _print_failed(result, failing, errors=False)
    counts = {status: result.count(status) for status in ("done", "skipped", "failed", "not run")}
    said = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
    click.echo(f"{said or 'nothing to do'} in {result.seconds:.0f} s")
    for path in result.files:
        click.echo(str(path))
