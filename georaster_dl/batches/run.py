"""Batches: finished scenes are skipped, failed scenes are retried and reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from georaster_dl.batches.job import Outcome, SceneJob
from georaster_dl.batches.pools.workers import Workers
from georaster_dl.batches.preflight import Checked, check_all, room, tight
from georaster_dl.batches.report.write import SceneRow, write_report
from georaster_dl.core.errors import OutputError
from georaster_dl.core.events import BatchChecked, Report, SceneEnded, Warned, warner
from georaster_dl.io.files.atomic import check_local
from georaster_dl.io.files.temporary import make_folder, refuse_link, remove_abandoned
from georaster_dl.io.output.staging import FailedOutput
from georaster_dl.predict.matching.default_model import default_model
from georaster_dl.predict.options import RunOptions
from georaster_dl.predict.run_record import NOT_OF_THE_RESULT, read_record

__all__ = ["WORK_FOLDER", "BatchOptions", "BatchResult", "run_batch"]

_MOST_SHOWN = 3  # failures

WORK_FOLDER = ".geodl-batch"
"""Folder within the output folder for the lock and for finished strips of unfinished scenes."""


@dataclass(frozen=True)
class BatchOptions:
    """Options of a batch: retries, errors, workers.

    Attributes
    ----------
    retries : how often a failed scene is tried again.
    on_error : whether the other scenes are still done when one cannot be.
    workers : how many scenes are done at a time, for the room that they need.
    wording : changes messages for the reports, such as the names of settings in them.
    """

    retries: int = 1
    on_error: Literal["continue", "stop"] = "continue"
    workers: int = 1
    wording: Callable[[str], str] = str


@dataclass(frozen=True, repr=False)
class BatchResult:
    """Result of a batch.

    Attributes
    ----------
    rows : one for each scene, in the order in which they were given.
    files : the reports.
    failed : what could not be made beside the maps and the reports' tables: rasters of scenes that are
        done, styles, pictures, a report; each was reported as a warning.
    """

    rows: tuple[SceneRow, ...]
    files: tuple[Path, ...]
    seconds: float
    failed: tuple[FailedOutput, ...] = ()

    def count(self, status: str) -> int:
        """Count the scenes of a status."""
        return sum(row.status == status for row in self.rows)

    def __repr__(self) -> str:
        """Number of scenes of each status, and the first failures, in one line."""
        statuses = dict.fromkeys(row.status for row in self.rows)
        counts = ", ".join(f"{self.count(status)} {status}" for status in statuses)
        failures = [f"{row.name}: {row.error}" for row in self.rows if row.error]
        return f"<BatchResult {'; '.join([counts or 'no scene', *failures[:_MOST_SHOWN]])}>"


def run_batch(
    jobs: Sequence[SceneJob],
    folder: Path,
    hire: Callable[[], Workers],
    options: BatchOptions,
    report: Report,
) -> BatchResult:
    """Do the jobs whose outputs are missing or outdated, and write the reports.

    The reports are of the folder: they list the outputs of earlier batches, too.

    Parameters
    ----------
    folder : of the outputs; one batch at a time works in it.
    hire : gives the workers; not called where nothing is to be done.
    report : called with ``checked``, ``scene`` and ``warning`` events.

    Raises
    ------
    OutputError
        When another batch works in the folder, or the disk is too small for what is to be done.
    """
    begun, started = time.monotonic(), datetime.now(UTC)
    with _locked(folder):
        remove_abandoned(folder)
        checks = check_all(jobs)
        rows = {check.job.name: _row_before(check, options) for check in checks}
        _report_checks(checks, report)
        todo = [check for check in checks if check.state == "ready"]
        stop = options.on_error == "stop" and any(check.state == "failing" for check in checks)
        try:
            if todo and not stop:
                _check_room(todo, folder, options.workers, report)
                with hire() as workers:
                    jobs_todo = [_replacing(check.job) for check in todo]
                    before = {job.name: read_record(job.record) or {} for job in jobs_todo}
                    for row in _process(jobs_todo, workers, options, report):
                        rows[row.name] = row
                        _remove_left_out(before[row.name], row, folder, report)
        finally:
            summary = _summary(jobs, started, time.monotonic() - begun)
            all_rows = [*rows.values(), *_of_other_batches(jobs, folder)]
            files, failed = write_report(folder, all_rows, summary, warner(report))
    failed = (*(output for row in rows.values() for output in row.failed), *failed)
    return BatchResult(tuple(rows.values()), tuple(files), time.monotonic() - begun, failed)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder against other batches."""
    check_local(folder)
    work = folder / WORK_FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for own in (work, work / "strips"):
            make_folder(own)
        refuse_link(work / "lock")
        lock = FileLock(work / "lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(
            f"Another batch is at work in {folder}; wait for it, or give another `folder=`."
        ) from None
    except OSError as error:
        raise OutputError(
            f"Cannot write {error.filename or folder}: {error.strerror}; name another `folder=`."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _replacing(job: SceneJob) -> SceneJob:
    """Let a job replace outputs, which the checks have allowed."""
    return replace(job, options=replace(job.options, overwrite=True))


def _remove_left_out(
    before: Mapping[str, Any], row: SceneRow, folder: Path, report: Report
) -> None:
    """Remove files of an earlier run that this run does not write, as they are of other input."""
    if row.status != "done" or row.output is None:
        return
    now = {file["name"] for file in row.record.get("files", ())}
    for name in {file["name"] for file in before.get("files", ())} - now:
        if not name.startswith(row.output.stem):
            continue  # no run of this scene made it, whatever the record says
        for path in (
            folder / name,
            folder / f"{name}.aux.xml",
            (folder / name).with_suffix(".qml"),
        ):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                message = f"{path}, of an earlier run, cannot be removed: {error.strerror}"
                report(Warned(message))


def _of_other_batches(jobs: Sequence[SceneJob], folder: Path) -> Iterator[SceneRow]:
    """Make report rows of outputs of earlier batches with the same settings."""
    kinds = {job.raster.name.removeprefix(job.name) for job in jobs}
    ours = {job.record for job in jobs}
    for path in sorted(folder.glob("*.json")):
        raster = path.with_suffix(".tif")
        kind = next((kind for kind in kinds if raster.name.endswith(kind)), None)
        record = None if kind is None or path in ours or not raster.exists() else read_record(path)
        if record is not None:
            name = raster.name.removesuffix(str(kind))
            yield SceneRow(name, "skipped", output=raster, record=record)


def _check_room(todo: Sequence[Checked], folder: Path, workers: int, report: Report) -> None:
    doubt = tight(todo, folder)
    if doubt:
        report(Warned(doubt))
    lacking = room(todo, folder, workers)
    if lacking:
        raise OutputError(" ".join(lacking))


def _row_before(check: Checked, options: BatchOptions) -> SceneRow:
    """Make the report row of a scene before any work."""
    status: Literal["skipped", "failed", "not run"]
    status = {"done": "skipped", "failing": "failed"}.get(check.state, "not run")  # type: ignore[assignment]
    return SceneRow(
        check.job.name,
        status,
        error=options.wording(check.message) if check.state == "failing" else "",
        output=check.job.raster,
        sources=check.job.scene_files,
        record=(read_record(check.job.record) or {}) if check.state == "done" else {},
    )


def _report_checks(checks: Sequence[Checked], report: Report) -> None:
    done, ready = (sum(check.state == state for check in checks) for state in ("done", "ready"))
    failing = {check.job.name: check.message for check in checks if check.state == "failing"}
    pixels = sum(check.pixels for check in checks if check.state == "ready")
    report(BatchChecked(done, ready, failing, pixels))


def _process(
    jobs: Sequence[SceneJob], workers: Workers, options: BatchOptions, report: Report
) -> Iterator[SceneRow]:
    """A row for every job that ended, well or not, after its retries."""
    by_name = {job.name: job for job in jobs}
    left = dict.fromkeys(by_name, options.retries)
    for job in jobs:
        workers.submit(job)
    waiting = len(jobs)
    while waiting:
        outcome = workers.next()
        again = bool(outcome.error) and left[outcome.name] > 0
        waiting -= not again
        ended = len(jobs) - waiting
        report(SceneEnded(outcome.name, outcome.error, again, ended, len(jobs)))
        if again:
            left[outcome.name] -= 1
            workers.submit(by_name[outcome.name])
            continue
        yield _row_after(by_name[outcome.name], outcome, options)
        if outcome.error and options.on_error == "stop":
            return


def _row_after(job: SceneJob, outcome: Outcome, options: BatchOptions) -> SceneRow:
    return SceneRow(
        job.name,
        "failed" if outcome.error else "done",
        error=options.wording(outcome.error),
        warnings=tuple(map(options.wording, outcome.warnings)),
        output=job.raster,
        sources=job.scene_files,
        record=outcome.record,
    )


def _summary(jobs: Sequence[SceneJob], started: datetime, seconds: float) -> dict[str, Any]:
    return {
        "model": _model_name(jobs[0].model) if jobs else "",
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "parameters": _set_options(jobs[0].options) if jobs else {},
    }


def _model_name(model: Path | None) -> str:
    model = model or default_model()
    return "" if model is None else model.stem


def _set_options(options: RunOptions) -> dict[str, str]:
    """Collect options that differ from their defaults and change the result."""
    usual = type(options)()
    return {
        field.name: str(getattr(options, field.name))
        for field in fields(options)
        if field.name not in ("scene", *NOT_OF_THE_RESULT)
        and getattr(options, field.name) != getattr(usual, field.name)
    }
