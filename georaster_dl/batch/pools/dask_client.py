"""Ways to a Dask cluster: an address, a scheduler file, or processes on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georaster_dl.core.errors import DeviceError, GeoRasterError, OptionError

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

__all__ = ["CONNECT_SECONDS", "one_line", "way_to"]

CONNECT_SECONDS = 10
_CLOSE_SECONDS = 3


def way_to(
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
        client = Client(**where, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise DeviceError(
            f"No Dask scheduler answers at {scheduler} ({one_line(error)}); start it (dask scheduler), or "
            f"use local:N."
        ) from error
    stack.callback(client.close, _CLOSE_SECONDS)
    return client


def _local(count: int, stack: ExitStack) -> tuple[Client, LocalCluster]:
    import dask
    from dask.system import CPU_COUNT
    from distributed import LocalCluster
    from distributed.system import MEMORY_LIMIT

    from georaster_dl.batch.pools.dask_worker import IgnoreInterrupts

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


def one_line(error: BaseException) -> str:
    """What an error says, for people."""
    from distributed import KilledWorker

    if isinstance(error, GeoRasterError):
        return str(error)
    if isinstance(error, KilledWorker):
        return (
            "the workers that ran it were killed, one after another; where nobody did that, their machines "
            "ran out of memory: run fewer tasks at a time on each"
        )
    return " ".join(f"{type(error).__name__}: {error}".split())
