"""Checks of a batch before its first pixel is computed, without torch."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path
from typing import Any, Literal

from georaster_dl.batches.disk_usage import estimate_disk_usage
from georaster_dl.batches.job import SceneJob, reason_of
from georaster_dl.core.errors import DeviceError, OutputError
from georaster_dl.core.process import available_memory
from georaster_dl.core.wording import counted
from georaster_dl.models.package.card import Card
from georaster_dl.predict.engine.tiling_plan import TilingRequest, make_plan
from georaster_dl.predict.run_record import is_recorded, read_record

__all__ = ["Checked", "check", "check_all", "room", "tight"]

_ANY = 2**50  # bytes of memory with which every plan can be made
_GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


@dataclass(frozen=True)
class Checked:
    """Result of a job's check.

    Attributes
    ----------
    state : ``done`` where its record says that just this was made and its files stand; ``failing``
        where it cannot be made; ``ready`` otherwise, also where outputs of another run of the same
        batch are to be replaced.
    message : why it is failing, one line.
    pixels : of the scene, valid or not.
    peak_bytes : of disk that it takes at most while it runs, its outputs included.
    output_bytes : of disk that its outputs take at most.
    identity : all that the outputs depend on.
    tiling : from which its tiles are planned; None where it is failing.
    bytes_per_value : of the network's arithmetic.
    """

    job: SceneJob
    state: Literal["done", "ready", "failing"]
    message: str = ""
    pixels: int = 0
    peak_bytes: int = 0
    output_bytes: int = 0
    identity: dict[str, Any] = field(default_factory=dict, repr=False)
    tiling: TilingRequest | None = field(default=None, repr=False)
    bytes_per_value: int = 4


def check(job: SceneJob) -> Checked:
    """Check a job by the headers of its scene and model, and by existing outputs."""
    try:
        return _checked(job)
    except Exception as error:  # noqa: BLE001 - one scene must not end the batch
        return Checked(job, "failing", reason_of(error))


def check_all(jobs: Sequence[SceneJob], threads: int = 8) -> list[Checked]:
    """Check many jobs at once; the order stays."""
    pool = ThreadPoolExecutor(threads)
    cards: dict[str, Card] = {}
    try:
        return [_with_shared_card(one, cards) for one in pool.map(check, jobs)]
    finally:
        pool.shutdown(cancel_futures=True)  # where it was interrupted, the rest is not waited for


def room(checked: Sequence[Checked], folder: Path, workers: int) -> list[str]:
    """List reasons why not even the first scenes can be made; empty where disk and memory suffice.

    Parameters
    ----------
    folder : of the outputs.
    workers : jobs that run at a time on this machine.
    """
    ready = [one for one in checked if one.state == "ready"]
    return _disk(ready, folder, workers) + _memory(ready, workers)


def tight(checked: Sequence[Checked], folder: Path) -> str:
    """Describe a disk that all outputs together may fill; empty where they cannot.

    They are counted as they are before compression, which takes most of a map away.
    """
    needed = sum(one.output_bytes for one in checked if one.state == "ready")
    free = _free(folder)
    if needed <= free:
        return ""
    return (
        f"the disk of {folder} has {_gib(free)} free; without compression, the outputs would take "
        f"{_gib(needed)}"
    )


def _checked(job: SceneJob) -> Checked:
    prepared = job.run().prepared
    options, tiling = prepared.context.options, prepared.tiling
    size = 2 if options.precision in ("bf16", "fp16") else 4
    make_plan(tiling, memory=_ANY, bytes_per_value=size)
    usage = estimate_disk_usage(job, tiling.card, tiling.shape)
    rows, cols = tiling.shape
    known: dict[str, Any] = {
        "pixels": rows * cols,
        "peak_bytes": usage.peak,
        "output_bytes": usage.outputs,
        "identity": prepared.identity,
        "tiling": tiling,
        "bytes_per_value": size,
    }
    if not options.overwrite:
        if is_recorded(job.record, prepared.identity):
            return Checked(job, "done", **known)
        _check_outputs(job, prepared.files)
    return Checked(job, "ready", **known)


def _check_outputs(job: SceneJob, outputs: Sequence[Path]) -> None:
    """Raise if an output exists that no run of this batch has written."""
    record = read_record(job.record)
    made = {job.record.with_name(file["name"]) for file in record["files"]} if record else set()
    foreign = [path for path in outputs if path.exists() and path not in made]
    if foreign:
        raise OutputError(
            f"{foreign[0]} exists already and no batch has made it, as {job.record.name} would say; move "
            f"it away, choose another folder or allow it with `overwrite=True`."
        )


def _with_shared_card(one: Checked, cards: dict[str, Card]) -> Checked:
    """Share equal cards between jobs, to save memory."""
    if one.tiling is None:
        return one
    card = cards.setdefault(one.identity["model"]["card_sha256"], one.tiling.card)
    return dataclasses.replace(one, tiling=dataclasses.replace(one.tiling, card=card))


def _disk(ready: Sequence[Checked], folder: Path, workers: int) -> list[str]:
    passing = sum(nlargest(workers, (one.peak_bytes for one in ready)))
    free = _free(folder)
    if passing <= free:
        return []
    return [
        f"The disk of {folder} has {_gib(free)} free, but making {workers} of the scenes takes up to "
        f"{_gib(passing)}; free some space or choose another folder."
    ]


def _free(folder: Path) -> int:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _memory(ready: Sequence[Checked], workers: int) -> list[str]:
    if not any(_on_processor(one.job.options.device) for one in ready):
        return []
    memory = available_memory() // workers
    too_large: dict[str, int] = {}
    for one in ready:
        try:
            if one.tiling is not None:
                make_plan(one.tiling, memory=memory, bytes_per_value=one.bytes_per_value)
        except DeviceError as error:
            too_large[str(error)] = too_large.get(str(error), 0) + 1
    return [
        f"too large for the memory that each of {counted(workers, 'worker')} has: {count} of {counted(len(ready), 'scene')}: {said}"
        for said, count in too_large.items()
    ]


def _on_processor(device: str) -> bool:
    """Check whether the run takes main memory, without loading torch."""
    if device == "auto":
        return not (shutil.which("nvidia-smi") or any(Path(p).exists() for p in _GPU_FILES))
    return device == "cpu"


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"
