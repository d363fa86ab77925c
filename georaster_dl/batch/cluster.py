"""Workers of a Dask cluster: that of a group, or processes on this machine.

Scheduler and workers need the same installation of this package as the batch, and all of them must see
scenes, models, outputs and journals under the same paths: a shared file system.

A scene is one task. A scene of 100 Mpx or more that keeps a journal is several: parts of its strips,
which go to the journal, and one that makes the outputs of them. A part has 50 Mpx at most, and there
are at least two for every thread of the workers.
"""

from __future__ import annotations

import logging
import math
import queue
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from georaster_dl import __version__
from georaster_dl.batch.job import Outcome, SceneJob
from georaster_dl.batch.told import Told
from georaster_dl.batch.workers import Tell
from georaster_dl.errors import DeviceError, GeoRasterError, OptionError
from georaster_dl.predict.run import SceneRun

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

__all__ = ["LARGE", "DaskWorkers"]

LARGE = 100_000_000
"""Pixels from which a scene is split."""
_PART_PIXELS = 50_000_000
_PART_ROWS = 64  # a tile is hardly ever lower, and a part without a tile does nothing

_CONNECT_SECONDS = 10
_CLOSE_SECONDS = 3
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
        self._open = _way_to(scheduler, resources)
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
            outcome = Outcome(job.name, _line(error))
            self._news.put(lambda: outcome)
            return
        from georaster_dl.batch.remote import do_part, do_whole

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
        name, part, what, facts = event[1]

        def told() -> None:
            if name in self._told:
                self._told[name](part, what, facts)

        self._news.put(told)

    def _ended(self, name: str, future: Future[Outcome]) -> None:
        """Fetch the outcome while the worker that holds it is there."""
        try:
            outcome = future.result(timeout=_CONNECT_SECONDS)
        except TimeoutError:  # it was lost with its worker, and is being made again
            future.add_done_callback(lambda future: self._ended(name, future))
            return
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            if future.cancelled():
                self._news.put(self._raise_lost)
                return
            outcome = Outcome(name, _line(error))
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
        asked = ", ".join(f"{name}={number:g}" for name, number in self._resources.items())
        waiting = next(iter(self._told), "")
        missing = f"worker that declares {asked}" if asked else "worker"
        message = (
            f"{self._scheduler} has no {missing}, so nothing is being done; start one "
            f"(dask worker{f' --resources {asked!r}' if asked else ''}), or stop this with Ctrl-C"
        )
        self._tell(waiting, "warning", {"message": message})

    def _suited(self) -> list[dict[str, Any]]:
        """The workers that have the resources which a task takes."""
        with suppress(OSError):  # a timeout, too; whether the scheduler is lost is seen elsewhere
            scheduler: Any = self._client.scheduler
            facts = self._client.sync(scheduler.identity, callback_timeout=_CONNECT_SECONDS)
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
        from georaster_dl.batch.remote import busy

        until = time.monotonic() + _STOP_SECONDS
        while self._cluster is not None and time.monotonic() < until:
            if not any(self._client.run(busy).values()):
                return
            time.sleep(0.1)


def _way_to(
    scheduler: str, resources: Mapping[str, float]
) -> Callable[[ExitStack], tuple[Client, LocalCluster | None]]:
    """What connects to a scheduler, which is not tried yet."""
    _check_installed()
    kind, _, count = scheduler.partition(":")
    if kind == "local":
        if not count.isdecimal() or int(count) < 1:
            raise OptionError(f"--scheduler local:N needs a number of processes, not {count!r}.")
        if resources:
            raise OptionError(
                "--resources is for workers that declare some, but those of local:N have none; leave it "
                "out."
            )
        return lambda stack: _local(int(count), stack)
    if "://" in scheduler:
        return lambda stack: (_connected(stack, scheduler, address=scheduler), None)
    if Path(scheduler).is_file():
        return lambda stack: (_connected(stack, scheduler, scheduler_file=scheduler), None)
    raise OptionError(
        f"--scheduler must be tcp://HOST:PORT, local:N or an existing scheduler file, not {scheduler!r}."
    )


def _check_installed() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise OptionError(
            "--scheduler needs Dask, which is not installed; pip install 'georaster_dl[dask]'."
        ) from error


def _connected(stack: ExitStack, scheduler: str, **where: Any) -> Client:
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    # Dask logs many lines about what is told here in one.
    stack.enter_context(silence_logging_cmgr(logging.CRITICAL))
    try:
        client = Client(**where, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise DeviceError(
            f"No Dask scheduler answers at {scheduler} ({_line(error)}); start it (dask scheduler), or "
            f"use local:N."
        ) from error
    stack.callback(client.close, _CLOSE_SECONDS)
    return client


def _local(count: int, stack: ExitStack) -> tuple[Client, LocalCluster]:
    import dask
    from dask.system import CPU_COUNT
    from distributed import LocalCluster
    from distributed.system import MEMORY_LIMIT

    from georaster_dl.batch.remote import IgnoreInterrupts

    threads = str(max(CPU_COUNT // count, 1))
    environment = "distributed.nanny.pre-spawn-environ."
    settings: dict[str, Any] = {
        environment + "OMP_NUM_THREADS": threads,
        environment + "MKL_NUM_THREADS": threads,
    }
    # Runs look after their memory themselves: Dask would stop a worker where torch keeps some.
    settings |= {
        f"distributed.worker.memory.{what}": False
        for what in ("target", "spill", "pause", "terminate")
    }
    with dask.config.set(settings):
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                memory_limit=MEMORY_LIMIT // count,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
        )
    client = _connected(stack, f"local:{count}", address=cluster)
    client.register_plugin(IgnoreInterrupts())
    return client, cluster


class _Checked(Exception):  # noqa: N818 - no error
    pass


def _check_outputs(run: SceneRun) -> None:
    """Refuse outputs before the parts are made, not after."""
    with suppress(_Checked), run.ready.staged(run.files):
        raise _Checked


def _line(error: BaseException) -> str:
    from distributed import KilledWorker

    if isinstance(error, GeoRasterError):
        return str(error)
    if isinstance(error, KilledWorker):
        return (
            "the workers that ran it were killed, one after another; where nobody did that, their machines "
            "ran out of memory: run fewer tasks at a time on each"
        )
    return " ".join(f"{type(error).__name__}: {error}".split())
