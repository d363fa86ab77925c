"""Workers by the name of their scheduler: ``local:N``, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Mapping

from georaster_dl.batches.pools.local import LocalWorkers
from georaster_dl.batches.pools.parts import LARGE
from georaster_dl.batches.pools.workers import SceneReport, Workers
from georaster_dl.core.errors import OptionError

__all__ = ["local_count", "scheduled_workers"]


def scheduled_workers(
    scheduler: str, resources: Mapping[str, float], report: SceneReport, *, large: int = LARGE
) -> Workers:
    """Make the workers of a scheduler; connections are not tried yet.

    Parameters
    ----------
    scheduler : ``local:N`` for N processes on this machine, or as ``DaskWorkers`` takes it.
    resources : what each task takes of those that the workers of a cluster declare.
    report : called with the events of the jobs' runs.
    large : pixels from which a scene is split.

    Raises
    ------
    OptionError
        When ``scheduler`` is none of those, Dask is not installed, or processes here are asked for
        resources.
    """
    count = local_count(scheduler)
    if count is None:
        from georaster_dl.batches.pools.dask_pool import DaskWorkers

        return DaskWorkers(scheduler, report, resources, large=large)
    if resources:
        raise OptionError(
            "`resources=` is for workers that declare some, but those of local:N have none; leave it "
            "out."
        )
    return LocalWorkers(count, report, large=large)


def local_count(scheduler: str) -> int | None:
    """Number of processes of ``local:N``; None for other schedulers.

    Raises
    ------
    OptionError
        When N is no number of processes.
    """
    kind, _, count = scheduler.partition(":")
    if kind != "local":
        return None
    if not count.isdecimal() or int(count) < 1:
        raise OptionError(f"`scheduler='local:N'` needs a number of processes, not {count!r}.")
    return int(count)
