"""One scene on many workers: its parts in parallel, its outputs as one run makes them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from georaster_dl.batches.job import SceneJob
from georaster_dl.batches.pools.scheduler import scheduled_workers
from georaster_dl.core.errors import GeoRasterError
from georaster_dl.core.events import Event, Report, Warned
from georaster_dl.io.stacks.scene import StackInput
from georaster_dl.predict.options import (
    FeatureOptions,
    SegmentOptions,
    Summary,
)

__all__ = ["run_in_parts"]

T = TypeVar("T", bound=SegmentOptions | FeatureOptions)


def run_in_parts(
    job: SceneJob, scheduler: str, resources: Mapping[str, float], report: Report
) -> Summary:
    """Do a job on the workers of a scheduler, always in parts.

    Finished parts are kept in a hidden folder beside the output, ``.NAME.parts``: the same call goes
    on with them after it was stopped.

    Parameters
    ----------
    job : may have relative paths, and no name, record or journal.
    scheduler, resources : as ``scheduled_workers`` takes them.
    report : called as by ``segment``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, the outputs, the cluster or a worker's run.
    """
    begun = time.monotonic()
    report = _without_repeated_warnings(report)
    model = job.run(report).prepared.model
    main = job.raster.absolute()
    journal = main.with_name(f".{main.name}.parts")
    absolute = SceneJob(
        main.stem,
        _absolute_sources(job.sources),
        model.absolute(),
        job.outputs.absolute(),
        replace(_absolute(job.options), journal=journal),
    )
    try:
        with scheduled_workers(
            scheduler, resources, lambda _, event: report(event), large=0
        ) as workers:
            workers.submit(absolute)
            outcome = workers.next()
    finally:
        if not any(journal.glob("*.strip")):
            shutil.rmtree(journal, ignore_errors=True)
    summary = outcome.summary
    if summary is None:
        raise GeoRasterError(outcome.error)
    named = {path.absolute(): path for path in job.outputs.all()}
    return replace(
        summary,
        files=tuple(named[path] for path in summary.files),
        failed=tuple(
            replace(output, path=named.get(output.path, output.path)) for output in summary.failed
        ),
        seconds=time.monotonic() - begun,
    )


def _without_repeated_warnings(report: Report) -> Report:
    """Drop warnings that every worker repeats."""
    warnings: set[str] = set()

    def report_once(event: Event) -> None:
        if isinstance(event, Warned):
            if event.message in warnings:
                return
            warnings.add(event.message)
        report(event)

    return report_once


def _absolute_sources(sources: tuple[str, ...] | StackInput) -> tuple[str, ...] | StackInput:
    """Make paths absolute, as workers may have another working folder; addresses stay."""
    if isinstance(sources, StackInput):
        return sources.absolute()
    return tuple(_absolute_source(source) for source in sources)


def _absolute_source(source: str) -> str:
    return str(Path(source).absolute()) if Path(source).exists() else source


def _absolute(options: T) -> T:
    """Make the paths of options absolute."""
    paths = {field.name: getattr(options, field.name) for field in fields(options)}
    absolute: dict[str, Any] = {k: v.absolute() for k, v in paths.items() if isinstance(v, Path)}
    return replace(options, **absolute)
