"""``geodl batch``: run a model over many scenes, and go on after failures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
    no_report,
)
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted

from ..options.cleaning import cleaning_options
from ..options.map_outputs import MapCommand, extra_outputs
from ..options.model_run import model_run_options, with_matching
from ..options.polygons import polygon_options
from ..options.predictor import map_settings, models_of, predictor_options
from ..options.shared import (
    OUTPUT_FOLDER,
    Cluster,
    model_option,
    progress_options,
    scene_argument,
    scheduler_options,
)
from ..terminal.hints import with_options
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import SOME_SCENES_FAILED, finished, status_of

if TYPE_CHECKING:
    from georaster_dl.batches.pools.workers import SceneReport, Workers
    from georaster_dl.batches.run import BatchResult
    from georaster_dl.cleaning.options import CleaningOptions

__all__ = ["batch"]

_MOST_NAMED = 10  # scenes that cannot be done, before the rest is counted


@click.command(cls=MapCommand)
@scene_argument
@model_option(ensemble=True)
@click.option(
    "-d",
    "--directory",
    required=True,
    type=OUTPUT_FOLDER,
    help="Folder for the maps and the reports; made where it does not exist.",
)
@click.option("--features", is_flag=True, help="Write features, as geodl features, and no maps.")
@click.option(
    "--layer", metavar="NAME", help="With --features: layer of the network, as in geodl features."
)
@extra_outputs(name_files=False)
@predictor_options
@cleaning_options
@polygon_options
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Scenes at a time on this machine.",
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Further attempts at a scene that failed.",
)
@click.option(
    "--on-error",
    type=click.Choice(["continue", "stop"]),
    default="continue",
    show_default=True,
    help="Continue with the other scenes when one fails, or stop.",
)
@scheduler_options
@model_run_options
@progress_options
def batch(
    *,
    scene: tuple[str, ...],
    model: tuple[str, ...],
    directory: Path,
    features: bool,
    layer: str | None,
    extras: dict[str, Any],
    predicting: dict[str, Any],
    cleaning: CleaningOptions,
    polygon_settings: dict[str, Any],
    workers: int,
    retries: int,
    on_error: Literal["continue", "stop"],
    settings: dict[str, Any],
    cluster: Cluster | None,
    terminal: Terminal,
) -> int:
    """Run a model over many scenes; run it again to do the missing scenes.

    SCENE is a scene as geodl segment reads it, a pattern, a folder of scenes, a list (.txt, .csv) or
    a STAC item collection. Without -m, scenes of Sentinel-2 are mapped by the bundled model s2-landcover
    and others fail. Scenes whose outputs exist, made by the same model with the same
    options of the same input, are skipped. The folder gets a report: batch.html, batch.csv, batch.json.
    Exit status: 0 all done, 3 some are not, 4 all maps are made but something beside them is not,
    1 the command itself is wrong.

    \b
    geodl batch 'scenes/*.tif' -m s2-landcover -d maps --workers 2
    geodl batch items.json -m model.safetensors -d maps --scheduler tcp://head:8786
    """
    asked = {
        **extras,
        **predicting,
        **dict.fromkeys(cleaning.asked),
        **{name.replace("_", "-"): value for name, value in polygon_settings.items()},
    }
    _check(model, layer, asked, features=features)
    if cluster is not None and workers > 1:
        raise OptionError(
            "--workers is for this machine alone; with --scheduler its workers do the scenes."
        )
    first, members = models_of(model)
    tally = _Tally()

    def run(report: Report) -> BatchResult:
        from georaster_dl.batches.products import feature_products, list_jobs, map_products
        from georaster_dl.batches.run import BatchOptions, run_batch
        from georaster_dl.objects.options import PolygonOptions

        tally.report = with_matching(report) if terminal.prints else report
        if features:
            products = feature_products(first, layer)
        else:
            of_map = map_settings(extras, predicting, members)
            products = map_products(
                first,
                list(extras),
                **of_map,
                cleaning=cleaning,
                polygon_options=PolygonOptions.of(polygon_settings),
            )
        folder = directory.absolute()
        try:
            result = run_batch(
                list_jobs(scene, folder, settings, products),
                folder,
                _pool(cluster, workers, tally.take_of_scene),
                BatchOptions(retries, on_error, _workers_here(cluster, workers), with_options),
                tally.take,
            )
        except KeyboardInterrupt:
            if terminal.prints:
                click.echo("stopped; run the same command again to go on", err=True)
            raise
        if terminal.quiet:
            _print_failed(result, (), errors=True)
        return result

    return run_with_progress(
        terminal,
        run,
        _finished,
        lambda result: _print(result, tally.failing),
        warnings=lambda result: _limitations(first, result),
        status=_status,
    )


def _check(
    models: Sequence[str], layer: str | None, extras: Mapping[str, Any], *, features: bool
) -> None:
    """Refuse options that do not go together."""
    if layer and not features:
        raise OptionError("--layer is for --features; add that, or leave --layer out.")
    if extras and features:
        raise OptionError(f"--{next(iter(extras))} is of maps; leave it or --features out.")
    if features and len(models) > 1:
        raise OptionError("--features are of one network; name one model with -m.")
    if features and not models:
        raise OptionError("--features needs a model; name one with -m, such as s2-landcover.")


def _pool(cluster: Cluster | None, workers: int, report: SceneReport) -> Callable[[], Workers]:
    """Make the function that starts the workers."""
    if cluster is None:
        from georaster_dl.batches.pools.local import LocalWorkers

        return lambda: LocalWorkers(workers, report)
    from georaster_dl.batches.pools.scheduler import scheduled_workers

    return lambda: scheduled_workers(cluster.scheduler, cluster.resources, report)


def _workers_here(cluster: Cluster | None, workers: int) -> int:
    """Count the scenes that are processed at a time on this machine."""
    from georaster_dl.batches.pools.scheduler import local_count

    count = None if cluster is None else local_count(cluster.scheduler)
    return workers if count is None else count


class _Tally:
    """Progress over the pixels of all scenes, from the events of batch and scenes.

    Attributes
    ----------
    report : takes the events.
    failing : names of the scenes that the checks found to fail, which was reported.
    """

    def __init__(self) -> None:
        self.report: Report = no_report
        self._pixels: dict[str, int] = {}
        self._progress: Callable[[int], None] = lambda _pixels: None
        self._model_reported = False
        self.failing: set[str] = set()

    def take_of_scene(self, name: str, event: Event) -> None:
        """Take an event of the run of one scene."""
        if isinstance(event, Progressed):
            # An attempt after a failed one counts from there on where it comes further.
            more = event.done - self._pixels.get(name, 0)
            if more > 0:
                self._pixels[name] = event.done
                self._progress(more)
        elif isinstance(event, Warned):
            self.report(Warned(f"{name}: {event.message}"))
        elif isinstance(event, ModelChosen) and not self._model_reported:
            self._model_reported = True
            self.report(event)

    def take(self, event: Event) -> None:
        """Take an event of the batch."""
        self.report(event)
        if isinstance(event, BatchChecked):
            self._begin(event)

    def _begin(self, checked: BatchChecked) -> None:
        from georaster_dl.predict.progress import Progress

        self.failing = set(checked.failing)
        for name, error in islice(checked.failing.items(), _MOST_NAMED):
            self.report(Warned(f"{name} cannot be done: {error}"))
        more = len(self.failing) - _MOST_NAMED
        if more > 0:
            message = (
                f"{counted(more, 'more scene')} cannot be done; batch.html and batch.csv say why"
            )
            self.report(Warned(message))
        if checked.pixels:
            self.report(Started(counted(checked.ready, "scene")))
            self._progress = Progress(checked.pixels, self.report)


def _limitations(model: Path | None, result: BatchResult) -> Iterator[str]:
    """Yield the limitations that the model card states for these maps, once for all of them."""
    from georaster_dl.models.package.file import read_card
    from georaster_dl.models.package.limitations import FAR_KM, distance_km, poor_classes_warning
    from georaster_dl.predict.matching.default_model import default_model

    path = default_model() if model is None else model
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


def _status(result: BatchResult) -> int:
    if result.count("failed") or result.count("not run"):
        return SOME_SCENES_FAILED
    return status_of(result.failed)


def _print_failed(result: BatchResult, failing: Collection[str], *, errors: bool) -> None:
    """Print which scenes failed; to standard error where nothing else is printed."""
    for row in result.rows:
        if row.status == "failed" and row.name not in failing:
            reason = visible(row.error.split(". ")[0])  # the reports have all of it
            click.echo(f"failed: {row.name}: {reason}", err=errors)


def _print(result: BatchResult, failing: Collection[str]) -> None:
    _print_failed(result, failing, errors=False)
    counts = {status: result.count(status) for status in ("done", "skipped", "failed", "not run")}
    summary = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
    click.echo(f"{summary or 'nothing to do'} in {result.seconds:.0f} s")
    for path in result.files:
        click.echo(str(path))
