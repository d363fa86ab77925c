"""Ways to a Dask cluster: an address or a scheduler file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georaster_dl.batches.job import reason_of
from georaster_dl.core.errors import DeviceError, OptionError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["CONNECT_SECONDS", "one_line", "way_to"]

CONNECT_SECONDS = 10
_CLOSE_SECONDS = 3


def way_to(scheduler: str) -> Callable[[ExitStack], Client]:
    """Make the function that connects to a scheduler, which is not tried yet."""
    _check_installed()
    if "://" in scheduler:
        return lambda stack: _connected(stack, scheduler, address=scheduler)
    if Path(scheduler).is_file():
        return lambda stack: _connected(stack, scheduler, scheduler_file=scheduler)
    raise OptionError(
        f"`scheduler=` must be tcp://HOST:PORT, local:N or an existing scheduler file, not {scheduler!r}."
    )


def _check_installed() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise OptionError(
            "`scheduler=` needs Dask, which is not installed; pip install 'georaster_dl[dask]'."
        ) from error


def _connected(stack: ExitStack, scheduler: str, **where: Any) -> Client:
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    # Dask logs many lines about an error that is one line here.
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


def one_line(error: BaseException) -> str:
    """Format an error of a task, one line."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return (
            "the workers that ran it were killed, one after another; where nobody did that, their machines "
            "ran out of memory: run fewer tasks at a time on each"
        )
    return reason_of(error)
