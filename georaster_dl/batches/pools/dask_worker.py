"""Tasks of a Dask worker: a scene, or a part of a scene."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Sequence
from functools import cache

from dask.system import CPU_COUNT
from distributed import Reschedule, Worker, get_worker
from distributed.core import Status
from distributed.system import MEMORY_LIMIT

from georaster_dl import __version__
from georaster_dl.batches.job import Outcome, SceneJob, attempt, attempt_part
from georaster_dl.core.events import Event, Progressed, Report
from georaster_dl.core.process import share_memory, tune_allocators
from georaster_dl.predict.engine.network_cache import keep_networks
from georaster_dl.predict.run_record import is_recorded, read_record

__all__ = ["do_part", "do_whole"]

_EVERY_SECONDS = 1.0
_ENDING = (Status.closing, Status.closed, Status.failed)


class _Cancelled(BaseException):
    """End of a cancelled task; no ``Exception``, which would be taken for a failure of the run."""


def do_whole(job: SceneJob, parts: Sequence[Outcome], topic: str, version: str) -> Outcome:
    """Do a job of which the parts were tried before.

    Parameters
    ----------
    parts : how they ended; where one failed, so does the job.
    topic : of Dask's, under which events are sent.
    version : of this package where the job comes from.
    """
    failed = next((part for part in parts if part.error), None)
    if failed is not None:
        return failed
    return _done(job, None, topic, version, lambda report: _whole(job, report))


def do_part(job: SceneJob, number: int, of: int, topic: str, version: str) -> Outcome:
    """Add part ``number`` of ``of`` of a job to its journal."""
    return _done(job, number, topic, version, lambda report: attempt_part(job, number, of, report))


def _done(
    job: SceneJob, part: int | None, topic: str, version: str, do: Callable[[Report], Outcome]
) -> Outcome:
    if version != __version__:
        return Outcome(
            job.name,
            f"the worker runs georaster_dl {__version__}, but the batch {version}; install the same "
            f"version everywhere.",
        )
    _share_machine()
    keep_networks()  # each thread its own
    worker = get_worker()
    sender = _EventSender(worker, job.name, part, topic)
    try:
        outcome = do(sender)
    except _Cancelled as end:
        if worker.status in _ENDING:
            raise Reschedule from end
        raise
    sender.flush()
    return outcome


def _whole(job: SceneJob, report: Report) -> Outcome:
    # A worker may be lost after its work and before its outcome is sent: then another one repeats the task.
    kept = job.options.record
    if kept is not None and kept.is_file() and not job.options.overwrite:
        run = job.run()
        if is_recorded(kept, run.prepared.identity):
            return Outcome(job.name, record=read_record(kept) or {})
    return attempt(job, report)


@cache
def _share_machine() -> None:
    """Take this process's share of the machine, before torch is loaded."""
    worker = get_worker()
    at_once = worker.state.nthreads
    limit = getattr(worker.memory_manager, "memory_limit", None)
    share_memory(at_once * max(round(MEMORY_LIMIT / limit) if limit else 1, 1))
    tune_allocators()
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(CPU_COUNT // at_once, 1))


class _EventSender:
    """Sends a run's events to the client, progress at most once a second; ends cancelled tasks."""

    def __init__(self, worker: Worker, name: str, part: int | None, topic: str) -> None:
        # Asked for here, because the run's own threads are none of the worker's.
        self._worker = worker
        self._task = worker.get_current_task()
        self._name = name
        self._part = part
        self._topic = topic
        self._sent_at = 0.0
        self._held: Progressed | None = None

    def __call__(self, event: Event) -> None:
        self._check_cancelled()
        if isinstance(event, Progressed):
            now = time.monotonic()
            if now - self._sent_at < _EVERY_SECONDS:
                self._held = event
                return
            self._sent_at = now
            self._held = None
        self._send(event)

    def flush(self) -> None:
        """Send the last progress that was held back."""
        if self._held is not None:
            self._send(self._held)

    def _send(self, event: Event) -> None:
        # Pickled, as Dask lets only plain values into its log of events.
        self._worker.log_event(self._topic, [self._name, self._part, pickle.dumps(event)])

    def _check_cancelled(self) -> None:
        state = self._worker.state.tasks.get(self._task)
        if state is None or state.state == "cancelled" or self._worker.status in _ENDING:
            raise _Cancelled
