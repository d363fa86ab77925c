"""Worker processes on this machine: a crash of one costs its scene, not the batch."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Protocol, Self

from georaster_dl.batch.job import Outcome, SceneJob, attempt
from georaster_dl.core.events import Event
from georaster_dl.core.memory import share_memory
from georaster_dl.core.signals import interrupt_when_ended
from georaster_dl.predict.engine.network_cache import keep_networks

__all__ = ["LocalWorkers", "Tell", "Workers"]

Tell = Callable[[str, Event], None]
"""Function that takes a job's name and an event of its run."""


class Workers(Protocol):
    """Whoever does jobs; used as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def submit(self, job: SceneJob) -> None:
        """Have a job done when there is time for it."""

    def next(self) -> Outcome:
        """Wait for one of the submitted jobs to end, well or not."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: SceneJob | None = None


class LocalWorkers:
    """Processes that share the cores of this machine.

    Parameters
    ----------
    count : of processes, each with its share of cores and memory.
    tell : called with what the jobs' runs report.
    """

    def __init__(self, count: int, tell: Tell) -> None:
        self._count = count
        self._tell = tell
        self._waiting: deque[SceneJob] = deque()
        self._workers: list[_Worker] = []
        # A copy of this process would inherit the locks of threads that it does not have.
        self._context = multiprocessing.get_context("spawn")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the workers; those in the middle of a scene clean up first."""
        for worker in self._workers:
            worker.pipe.close()
            if worker.job is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join()

    def submit(self, job: SceneJob) -> None:
        """Have a job done by the next worker that is free."""
        self._waiting.append(job)
        self._hand_out()

    def next(self) -> Outcome:
        """Wait for one of the submitted jobs to end, well or not."""
        while True:
            ready = wait([worker.pipe for worker in self._workers if worker.job is not None])
            for worker in [worker for worker in self._workers if worker.pipe in ready]:
                outcome = self._received(worker)
                if outcome is not None:
                    self._hand_out()
                    return outcome

    def _received(self, worker: _Worker) -> Outcome | None:
        """The outcome of a worker's job, None where it only told how far it is."""
        job = worker.job
        if job is None:
            raise RuntimeError("A worker without a job has sent something.")
        try:
            received: Event | Outcome = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            self._workers.remove(worker)
            return Outcome(job.name, _how_it_died(worker.process.exitcode))
        if isinstance(received, Event):
            self._tell(job.name, received)
            return None
        worker.job = None
        return received

    def _hand_out(self) -> None:
        while self._waiting:
            worker = next((worker for worker in self._workers if worker.job is None), None)
            if worker is None:
                if len(self._workers) == self._count:
                    return
                worker = self._started()
            try:
                worker.pipe.send(self._waiting[0])
            except OSError:  # it died while it had nothing to do
                self._workers.remove(worker)
                continue
            worker.job = self._waiting.popleft()

    def _started(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._count), daemon=False)
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker


def _how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        return (
            f"the worker process was killed (signal {-code}); where nobody did that, the machine ran out of "
            f"memory: use fewer --workers"
        )
    return f"the worker process ended by itself (exit status {code}); the scene may crash a library"


def _serve(pipe: Connection, count: int) -> None:
    """Do the jobs that come; runs in a worker process until the pipe is closed."""
    # Before torch is loaded, and GDAL.
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // count, 1)))
    share_memory(count)
    interrupt_when_ended()
    _end_with_the_batch()
    keep_networks()

    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            pipe.send(attempt(pipe.recv(), pipe.send))


def _end_with_the_batch() -> None:
    """End this process when the one that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="batch", daemon=True).start()
