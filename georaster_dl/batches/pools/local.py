"""Worker processes on this machine: a crash of one costs its scene, not the batch."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from georaster_dl.batches.job import Outcome, SceneJob, attempt, attempt_part, reason_of
from georaster_dl.batches.pools.merge_progress import MergedProgress
from georaster_dl.batches.pools.parts import count_parts
from georaster_dl.batches.pools.workers import SceneReport
from georaster_dl.core.events import Event, Report
from georaster_dl.core.process import interrupt_when_ended, share_memory, tune_allocators
from georaster_dl.models.registry import import_networks, registering_modules
from georaster_dl.predict.engine.network_cache import keep_networks

__all__ = ["LocalWorkers"]


@dataclass(frozen=True)
class _Task:
    """A job, or part ``number`` of ``parts`` of it."""

    job: SceneJob
    number: int | None = None
    parts: int = 0

    def run(self, report: Report) -> Outcome:
        """Attempt it; runs in a worker process."""
        if self.number is None:
            return attempt(self.job, report)
        return attempt_part(self.job, self.number, self.parts, report)


@dataclass
class _Submitted:
    """State of a submitted job: its parts that have not ended, and the first that failed."""

    progress: MergedProgress
    parts_left: int
    failure: Outcome | None = None


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: _Task | None = None


class LocalWorkers:
    """Processes that share the cores and the memory of this machine.

    Parameters
    ----------
    count : of processes, each with its share of cores and memory.
    report : called with the events of the jobs' runs.
    large : pixels from which a scene is split into parts for all workers; None splits none.
    """

    def __init__(self, count: int, report: SceneReport, *, large: int | None = None) -> None:
        self._count = count
        self._report = report
        self._large = large
        self._jobs: dict[str, _Submitted] = {}
        self._waiting: deque[_Task] = deque()
        self._ended: deque[Outcome] = deque()
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
            if worker.task is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join()

    def submit(self, job: SceneJob) -> None:
        """Queue a job for the next free worker, or its parts for all of them."""
        try:
            parts = self._parts(job)
        except Exception as error:  # noqa: BLE001 - one scene must not end the batch
            self._ended.append(Outcome(job.name, reason_of(error)))
            return
        progress = MergedProgress(partial(self._report, job.name))
        self._jobs[job.name] = _Submitted(progress, parts)
        self._waiting += [_Task(job, number, parts) for number in range(parts)] or [_Task(job)]
        self._hand_out()

    def next(self) -> Outcome:
        """Wait for the end of any submitted job."""
        while not self._ended:
            ready = wait([worker.pipe for worker in self._workers if worker.task is not None])
            for worker in [worker for worker in self._workers if worker.pipe in ready]:
                self._receive(worker)
            self._hand_out()
        return self._ended.popleft()

    def _parts(self, job: SceneJob) -> int:
        return 0 if self._large is None else count_parts(job, self._large, lambda: self._count)

    def _receive(self, worker: _Worker) -> None:
        """Take an event or the outcome of a worker's task, or the end of the worker."""
        task = worker.task
        if task is None:
            raise RuntimeError("A worker without a task has sent something.")
        try:
            received: Event | Outcome = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            self._workers.remove(worker)
            received = Outcome(task.job.name, _how_it_died(worker.process.exitcode))
        if isinstance(received, Event):
            self._jobs[task.job.name].progress(task.number, received)
        else:
            worker.task = None
            self._end(task, received)

    def _end(self, task: _Task, outcome: Outcome) -> None:
        """Note the end of a task; after the last part comes the whole job, or its failure."""
        job = self._jobs[task.job.name]
        if task.number is None:
            self._ended.append(outcome)
            return
        job.parts_left -= 1
        if outcome.error and job.failure is None:
            job.failure = outcome
            spared = [waiting for waiting in self._waiting if waiting.job is task.job]
            job.parts_left -= len(spared)
            self._waiting = deque(w for w in self._waiting if w.job is not task.job)
        if not job.parts_left and job.failure is None:
            self._waiting.appendleft(_Task(task.job))
        elif not job.parts_left and job.failure is not None:
            self._ended.append(job.failure)

    def _hand_out(self) -> None:
        while self._waiting:
            worker = next((worker for worker in self._workers if worker.task is None), None)
            if worker is None:
                if len(self._workers) == self._count:
                    return
                worker = self._started()
            try:
                worker.pipe.send(self._waiting[0])
            except OSError:  # it died while it had nothing to do
                self._workers.remove(worker)
                continue
            worker.task = self._waiting.popleft()

    def _started(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._count, registering_modules()), daemon=False
        )
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker


def _how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        return (
            f"the worker process was killed (signal {-code}); where nobody did that, the machine ran out of "
            f"memory: use fewer workers"
        )
    return f"the worker process ended by itself (exit status {code}); the scene may crash a library"


def _serve(pipe: Connection, count: int, networks: list[str]) -> None:
    """Do the tasks that come; runs in a worker process until the pipe is closed."""
    # Before torch is loaded, and GDAL.
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // count, 1)))
    share_memory(count)
    tune_allocators()
    interrupt_when_ended()
    _end_with_the_batch()
    keep_networks()
    import_networks(networks)
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            task: _Task = pipe.recv()
            pipe.send(task.run(pipe.send))


def _end_with_the_batch() -> None:
    """End this process when its parent process ends for any reason."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="batch", daemon=True).start()
