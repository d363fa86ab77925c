"""One scene on a Dask cluster: its parts on many workers, its outputs as one run makes them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from georaster_dl.batch.job import SceneJob
from georaster_dl.batch.pools.dask_pool import DaskWorkers
from georaster_dl.core.errors import GeoRasterError
from georaster_dl.core.events import Event, Report, Warned
from georaster_dl.predict.options import (
    FeatureOptions,
    FeatureOutputs,
    Outputs,
    SegmentOptions,
    Summary,
)
from georaster_dl.predict.run import SceneRun

__all__ = ["run_on_cluster"]

T = TypeVar("T", bound=SegmentOptions | FeatureOptions)


def run_on_cluster(
    make: Callable[[Report], SceneRun],
    sources: Sequence[str],
    outputs: Outputs | FeatureOutputs,
    options: SegmentOptions | FeatureOptions,
    scheduler: str,
    resources: Mapping[str, float],
    report: Report,
) -> Summary:
    """Make the outputs of a run on the workers of a Dask cluster, always in parts.

    Finished parts are kept in a hidden folder beside the output, ``.NAME.parts``: the same call goes
    on with them after it was stopped.

    Parameters
    ----------
    make : checks a run of these sources, outputs and options.
    scheduler, resources : as ``DaskWorkers`` takes them.
    report : called as by ``segment``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, the outputs, the cluster or a worker's run.
    """
    begun = time.monotonic()
    said: set[str] = set()

    def tell(event: Event) -> None:
        if isinstance(event, Warned):
            if event.message in said:  # each worker finds it again
                return
            said.add(event.message)
        report(event)

    model = make(tell).ready.model
    main = outputs.all()[-1].absolute()
    journal = main.with_name(f".{main.name}.parts")
    job = SceneJob(
        main.stem,
        tuple(_absolute_source(source) for source in sources),
        model.absolute(),
        outputs.absolute(),
        replace(_absolute(options), journal=journal),
    )
    try:
        with DaskWorkers(scheduler, lambda _, event: tell(event), resources, large=0) as workers:
            workers.submit(job)
            outcome = workers.next()
    finally:
        if not any(journal.glob("*.strip")):
            shutil.rmtree(journal, ignore_errors=True)
    summary = outcome.summary
    if summary is None:
        raise GeoRasterError(outcome.error)
    named = {path.absolute(): path for path in outputs.all()}
    return replace(
        summary,
        files=tuple(named[path] for path in summary.files),
        failed=tuple(replace(one, path=named.get(one.path, one.path)) for one in summary.failed),
        seconds=time.monotonic() - begun,
    )


def _absolute_source(source: str) -> str:
    """A path as workers in another folder need it; addresses are left alone."""
    return str(Path(source).absolute()) if Path(source).exists() else source


def _absolute(given: T) -> T:
    """Give the same options with absolute paths."""
    paths = {field.name: getattr(given, field.name) for field in fields(given)}
    absolute: dict[str, Any] = {k: v.absolute() for k, v in paths.items() if isinstance(v, Path)}
    return replace(given, **absolute)
