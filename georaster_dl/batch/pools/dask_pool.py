"""Workers of a Dask cluster: that of a group, or processes on this machine.

Scheduler and workers need the same installation of this package as the batch, and all of them must see
scenes, models, outputs and journals under the same paths: a shared file system.

A scene is one task. A scene of 100 Mpx or more that keeps a journal is several: parts of its strips,
which go to the journal, and one that makes the outputs of them. A part has 50 Mpx at most, and there
are at least two for every thread of the workers.
"""

from __future__ import annotations

import math
import pickle
import queue
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

from georaster_dl import __version__
from georaster_dl.batch.job import Outcome, SceneJob
from georaster_dl.batch.pools.dask_client import CONNECT_SECONDS, one_line, way_to
from georaster_dl.batch.pools.local import Tell
from georaster_dl.batch.pools.merge_progress import Told
from georaster_dl.core.errors import DeviceError
from georaster_dl.core.events import Warned
from georaster_dl.core.shell import command_line
from georaster_dl.predict.run import SceneRun

if TYPE_CHECKING:
    from distributed import Future

__all__ = ["LARGE", "DaskWorkers"]

LARGE = 100_000_000
"""Pixels from which a scene is split."""
_PART_PIXELS = 50_000_000
_PART_ROWS = 64  # a tile is hardly ever lower, and a part without a tile does nothing

_LOOK_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0
_STOP_SECONDS = 15.0


class DaskWorkers:
    """Processes that a Dask scheduler gives work to.

    Parameters
    ----------
    scheduler : ``tcp://HOST:PORT``, the path of a scheduler file, or ``local:N`` for N processes here
        that share cores and memory.
    tell : called with what the jobs' runs report, progress about once a second.
    resources : what each task takes of those that the workers declare.
    large : pixels from which a scene is split.

    Raises
    ------
    OptionError
        When ``scheduler`` is none of those, Dask is not installed, or processes here are asked for
        resources.
    DeviceError
        On entering, when no scheduler answers.
    """

    def __init__(
        self, scheduler: str, tell: Tell, resources: Mapping[str, float], *, large: int = LARGE
    ) -> None:
        self._open = way_to(scheduler, resources)
        self._scheduler = scheduler
        self._tell = tell
        self._resources = dict(resources)
        self._large = large
        self._topic = f"georaster_dl-{uuid.uuid4().hex}"
        self._told: dict[str, Told] = {}
        self._futures: dict[str, list[Future[Outcome]]] = {}
        # Outcomes, events and losses come from threads of Dask, and are told from the caller's.
        self._news: queue.SimpleQueue[Callable[[], Outcome | None]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._client, self._cluster = self._open(stack)
            self._client.subscribe_topic(self._topic, self._heard)
            self._suited_at = time.monotonic()
            self._closing = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Give up what is not done: its runs end by themselves, and their strips stay."""
        with self._closing:
            futures = [future for of_job in self._futures.values() for future in of_job]
            if futures and self._client.status == "running":
                with suppress(OSError):  # a timeout, too
                    self._client.cancel(futures, force=True)
                    self._wait_for_local_runs()

    def submit(self, job: SceneJob) -> None:
        """Have a job done by the next worker that is free."""
        self._told[job.name] = Told(job.name, self._tell)
        try:
            parts = self._parts(job)
        except Exception as error:  # noqa: BLE001 - one scene must not end the batch
            outcome = Outcome(job.name, one_line(error))
            self._news.put(lambda: outcome)
            return
        from georaster_dl.batch.pools.dask_worker import do_part, do_whole

        made = [
            self._task(f"{job.name} part {i + 1} of {parts}", do_part, job, i, parts)
            for i in range(parts)
        ]
        last = self._task(job.name, do_whole, job, made)
        self._futures[job.name] = [*made, last]
        last.add_done_callback(lambda future: self._ended(job.name, future))

    def next(self) -> Outcome:
        """Wait for one of the submitted jobs to end, well or not.

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
                    self._told.pop(outcome.name, None)
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

    def _parts(self, job: SceneJob) -> int:
        """In how many parts to split a job; where it is split, its journal is there afterwards."""
        if job.options.journal is None:
            return 0
        run = job.run()
        rows, cols = run.ready.fit.scene.shape
        if rows * cols < self._large:
            return 0
        threads: int = sum(worker["nthreads"] for worker in self._suited())
        wanted = max(math.ceil(rows * cols / _PART_PIXELS), 2 * threads, 2)
        _check_outputs(run)
        # Made by one before all, or each of several workers would empty it of what others did.
        run.ready.journal(run.files)
        return min(wanted, max(rows // _PART_ROWS, 1))

    def _heard(self, event: tuple[float, Any]) -> None:
        name, part, pickled = event[1]

        def told() -> None:
            if name in self._told:
                self._told[name](part, pickle.loads(pickled))  # noqa: S301 - of a worker of ours

        self._news.put(told)

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
        """Tell when the scheduler is gone, or nobody is there to do the work."""
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
        waiting = next(iter(self._told), "")
        missing = f"worker that declares {asked}" if asked else "worker"
        message = (
            f"{self._scheduler} has no {missing}, so nothing is being done; start one "
            f"({command_line('dask', 'worker', *(['--resources', asked] if asked else []))}), or stop this "
            f"with Ctrl-C"
        )
        self._tell(waiting, Warned(message))

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

    def _wait_for_local_runs(self) -> None:
        """Let the processes that are ours leave nothing behind."""
        from georaster_dl.batch.pools.dask_worker import busy

        until = time.monotonic() + _STOP_SECONDS
        while self._cluster is not None and time.monotonic() < until:
            if not any(self._client.run(busy).values()):
                return
            time.sleep(0.1)


class _Checked(Exception):  # noqa: N818 - no error
    pass


def _check_outputs(run: SceneRun) -> None:
    """Refuse outputs before the parts are made, not after."""
    with suppress(_Checked), run.ready.staged(run.files):
        raise _Checked
