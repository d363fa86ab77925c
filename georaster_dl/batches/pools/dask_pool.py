"""Workers of a Dask cluster.

Scheduler and workers need the same installation of this package as the batch, and all of them must see
scenes, models, outputs and journals under the same paths: a shared file system.
"""

from __future__ import annotations

import pickle
import queue
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from georaster_dl import __version__
from georaster_dl.batches.job import Outcome, SceneJob
from georaster_dl.batches.pools.dask_client import CONNECT_SECONDS, one_line, way_to
from georaster_dl.batches.pools.merge_progress import MergedProgress
from georaster_dl.batches.pools.parts import LARGE, count_parts
from georaster_dl.batches.pools.workers import SceneReport
from georaster_dl.core.errors import DeviceError
from georaster_dl.core.events import Warned
from georaster_dl.core.wording import command_line

if TYPE_CHECKING:
    from distributed import Future

__all__ = ["DaskWorkers"]

_LOOK_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0


class DaskWorkers:
    """Workers of a Dask scheduler.

    Parameters
    ----------
    scheduler : ``tcp://HOST:PORT``, or the path of a scheduler file.
    report : called with the events of the jobs' runs, progress about once a second.
    resources : what each task takes of those that the workers declare.
    large : pixels from which a scene is split.

    Raises
    ------
    OptionError
        When ``scheduler`` is none of those, or Dask is not installed.
    DeviceError
        On entering, when no scheduler answers.
    """

    def __init__(
        self,
        scheduler: str,
        report: SceneReport,
        resources: Mapping[str, float],
        *,
        large: int = LARGE,
    ) -> None:
        self._open = way_to(scheduler)
        self._scheduler = scheduler
        self._report = report
        self._resources = dict(resources)
        self._large = large
        self._topic = f"georaster_dl-{uuid.uuid4().hex}"
        self._progress: dict[str, MergedProgress] = {}
        self._futures: dict[str, list[Future[Outcome]]] = {}
        # Outcomes, events and losses come from threads of Dask, and are reported from the caller's.
        self._news: queue.SimpleQueue[Callable[[], Outcome | None]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._client = self._open(stack)
            self._client.subscribe_topic(self._topic, self._heard)
            self._suited_at = time.monotonic()
            self._closing = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel unfinished tasks; their runs end by themselves, and finished strips stay."""
        with self._closing:
            futures = [future for of_job in self._futures.values() for future in of_job]
            if futures and self._client.status == "running":
                with suppress(OSError):  # a timeout, too
                    self._client.cancel(futures, force=True)

    def submit(self, job: SceneJob) -> None:
        """Queue a job for the next free worker, or its parts for all of them."""
        self._progress[job.name] = MergedProgress(partial(self._report, job.name))
        try:
            parts = count_parts(job, self._large, self._count_threads)
        except Exception as error:  # noqa: BLE001 - one scene must not end the batch
            outcome = Outcome(job.name, one_line(error))
            self._news.put(lambda: outcome)
            return
        from georaster_dl.batches.pools.dask_worker import do_part, do_whole

        made = [
            self._task(f"{job.name} part {i + 1} of {parts}", do_part, job, i, parts)
            for i in range(parts)
        ]
        last = self._task(job.name, do_whole, job, made)
        self._futures[job.name] = [*made, last]
        last.add_done_callback(lambda future: self._ended(job.name, future))

    def next(self) -> Outcome:
        """Wait for the end of any submitted job.

        Raises
        ------
        DeviceError
            When the scheduler is lost.
        """
        looked = time.monotonic()
        while True:
            with suppress(queue.Empty):
                outcome = self._news.get(timeout=_LOOK_SECONDS)()
                if outcome is not None:
                    self._futures.pop(outcome.name, None)
                    self._progress.pop(outcome.name, None)
                    return outcome
            if time.monotonic() - looked >= _LOOK_SECONDS:
                self._look()
                looked = time.monotonic()

    def _task(self, label: str, do: Callable[..., Outcome], *given: Any) -> Future[Outcome]:
        key = f"{label}-{uuid.uuid4().hex}"
        try:
            return self._client.submit(
                do,
                *given,
                self._topic,
                __version__,
                key=key,
                pure=False,
                resources=self._resources or None,
            )
        except (OSError, RuntimeError) as error:
            raise self._lost() from error

    def _count_threads(self) -> int:
        return sum(worker["nthreads"] for worker in self._suited())

    def _heard(self, event: tuple[float, Any]) -> None:
        name, part, pickled = event[1]

        def report() -> None:
            if name in self._progress:
                self._progress[name](part, pickle.loads(pickled))  # noqa: S301 - of a worker of ours

        self._news.put(report)

    def _ended(self, name: str, future: Future[Outcome]) -> None:
        """Fetch the outcome while the worker that holds it is there."""
        try:
            outcome = future.result(timeout=CONNECT_SECONDS)
        except TimeoutError:  # it was lost with its worker, and is being made again
            future.add_done_callback(lambda future: self._ended(name, future))
            return
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            if future.cancelled():
                self._news.put(self._raise_lost)
                return
            outcome = Outcome(name, one_line(error))
        self._news.put(lambda: outcome)

    def _look(self) -> None:
        """Raise if the scheduler is lost; warn if it has no suitable worker."""
        if self._client.status != "running":
            self._raise_lost()
        now = time.monotonic()
        if self._suited():
            self._suited_at = now
        elif now - self._suited_at >= _PATIENCE_SECONDS:
            self._suited_at = now
            self._warn()

    def _warn(self) -> None:
        asked = ",".join(f"{name}={number:g}" for name, number in self._resources.items())
        waiting = next(iter(self._progress), "")
        missing = f"worker that declares {asked}" if asked else "worker"
        message = (
            f"{self._scheduler} has no {missing}, so nothing is being done; start one "
            f"({command_line('dask', 'worker', *(['--resources', asked] if asked else []))}), or stop this "
            f"with Ctrl-C"
        )
        self._report(waiting, Warned(message))

    def _suited(self) -> list[dict[str, Any]]:
        """The workers that have the resources which a task takes."""
        with suppress(OSError):  # a timeout, too; whether the scheduler is lost is seen elsewhere
            scheduler: Any = self._client.scheduler
            facts = self._client.sync(scheduler.identity, callback_timeout=CONNECT_SECONDS)
            return [
                worker
                for worker in facts["workers"].values()
                if all(worker["resources"].get(k, 0) >= n for k, n in self._resources.items())
            ]
        return []

    def _raise_lost(self) -> None:
        raise self._lost()

    def _lost(self) -> DeviceError:
        return DeviceError(
            f"The Dask scheduler {self._scheduler} was lost (it ended, or the network failed); what was "
            f"finished stands: run the same command again to go on."
        )
