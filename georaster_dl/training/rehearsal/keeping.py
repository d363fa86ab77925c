"""The reservoir that a run leaves: that of the run before, continued with an even sample of the new patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.io.files.temporary import temporary_name
from georaster_dl.tiling.split_blocks import TRAIN
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.rehearsal.reservoir import (
    FACTS,
    PATCHES,
    Reservoir,
    ReservoirFacts,
    capacity,
    draw_slots,
)

__all__ = ["keep_reservoir"]


def keep_reservoir(data: TrainingData, folder: Path) -> Reservoir:
    """Write the reservoir after offering it the windows of the training part's grid; the others are not even read.

    Parameters
    ----------
    folder : to make.

    Raises
    ------
    OSError, GeoRasterError
        When it cannot be written, or the patches not be read.
    """
    old = data.rehearsed
    reader = data.split.reader(TRAIN)
    windows = data.split.sampler(TRAIN, "grid", data.patch).windows
    before = 0 if old is None else old.facts.seen
    most = capacity(len(data.bands), data.patch) if old is None else old.facts.most
    slots = draw_slots(data.config.seed, most, before, len(windows))
    facts = ReservoirFacts(
        bands=tuple(band.name for band in data.bands),
        quantity=data.quantity,
        side=data.patch,
        most=most,
        seen=before + len(windows),
    )

    def patch(slot: int) -> npt.NDArray[np.float32]:
        if slots[slot] >= 0 or old is None:
            image, valid, _ = reader.read(windows[slots[slot]])
        else:
            image, valid = old.read(slot)
        return np.where(valid, image, np.float32(np.nan))

    folder.mkdir(exist_ok=True)
    making = temporary_name(folder)
    try:
        shape = (len(slots), len(facts.bands), facts.side, facts.side)
        stored = np.lib.format.open_memmap(making, "w+", np.float32, shape)
        for slot in range(len(slots)):
            stored[slot] = patch(slot)
        stored.flush()
        del stored  # else Windows could not rename it
        making.replace(folder / PATCHES)
    finally:
        making.unlink(missing_ok=True)
    write_atomically(folder / FACTS, facts.model_dump_json().encode())
    return Reservoir(folder, facts, len(slots))
