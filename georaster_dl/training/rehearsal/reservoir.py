"""Reservoir of patches: an even sample of all patches that an autoencoder and its predecessors have learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from georaster_dl.core.errors import OptionError

__all__ = ["FACTS", "PATCHES", "REHEARSAL", "Reservoir", "ReservoirFacts", "capacity", "draw_slots"]

REHEARSAL, FACTS, PATCHES = "rehearsal", "reservoir.json", "patches.npy"
"""Folder of a reservoir in that of its run, and its files."""

_MOST_PATCHES, _MOST_BYTES = 2000, 2**28
_JUDGED_EVERY = 5

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Slots = npt.NDArray[np.int64]


class ReservoirFacts(BaseModel):
    """Description of the patches of a reservoir.

    Attributes
    ----------
    bands : names, in the order of the patches.
    quantity : of their values, as on a card.
    side : of a patch, in pixels.
    most : patches that are kept of the stream.
    seen : patches that the stream has had.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bands: tuple[str, ...]
    quantity: str
    side: int = Field(ge=1)
    most: int = Field(ge=1)
    seen: int = Field(ge=1)


@dataclass(frozen=True)
class Reservoir:
    """Patches of earlier scenes in a run's folder; they stay on the disk.

    Every fifth patch judges what is forgotten, the others are rehearsed.

    Attributes
    ----------
    path : the folder.
    facts : what the patches are.
    count : patches in it.
    """

    path: Path
    facts: ReservoirFacts
    count: int

    @classmethod
    def of_run(cls, run: Path) -> Reservoir:
        """Open the reservoir of a run.

        Raises
        ------
        OptionError
            When the folder has none, or it is damaged.
        """
        path = run / REHEARSAL
        try:
            facts = ReservoirFacts.model_validate_json((path / FACTS).read_bytes())
            shape = _patches(path).shape
        except OSError as error:
            raise OptionError(
                f"`rehearse=` names {run}, which has no {path.name}/{FACTS} with {PATCHES}; give the folder NAME_run "
                f"of an autoencoder's training (of older versions train the autoencoder again)."
            ) from error
        except (ValidationError, ValueError, EOFError) as error:
            raise OptionError(
                f"The patches in {path} are damaged; train that run again."
            ) from error
        if shape != (shape[0], len(facts.bands), facts.side, facts.side) or not shape[0]:
            raise OptionError(
                f"The patches in {path} are an array of {shape}, but {FACTS} says {len(facts.bands)} bands of "
                f"{facts.side} x {facts.side} pixels; train that run again."
            )
        return cls(path, facts, shape[0])

    @property
    def description(self) -> str:
        """How many patches of how many, and their size on the disk, for the card."""
        megabytes = 4 * self.count * len(self.facts.bands) * self.facts.side**2 / 1e6
        return f"{self.count} of {self.facts.seen} patches kept, {megabytes:.1f} MB"

    @property
    def judging(self) -> list[int]:
        """Numbers of the patches that judge."""
        return list(range(0, self.count, _JUDGED_EVERY))

    @property
    def rehearsed(self) -> list[int]:
        """Numbers of the patches that are learnt from; all where there is one only."""
        judging = set(self.judging)
        return [i for i in range(self.count) if i not in judging] or [0]

    def read(self, number: int) -> tuple[Float, Mask]:
        """Read a patch: physical values (bands, side, side), 0 where not valid, and validity (side, side)."""
        stored = np.array(_patches(self.path)[number])
        valid = np.isfinite(stored).all(axis=0)
        return np.where(valid, stored, np.float32(0)), valid

    def check_fits(self, bands: tuple[str, ...], quantity: str, side: int) -> None:
        """Check that patches of new scenes can be learnt together with these.

        Raises
        ------
        OptionError
            When bands, quantity or size are others.
        """
        facts = self.facts
        for what, came, known, advice in (
            (
                "bands",
                ", ".join(bands),
                ", ".join(facts.bands),
                "read these, in this order (`bands=`)",
            ),
            (
                "quantity",
                quantity,
                facts.quantity,
                "give scenes of that quantity (`scale=`, `offset=`)",
            ),
            ("patches.size", str(side), str(facts.side), "leave it out"),
        ):
            if came != known:
                raise OptionError(
                    f"`rehearse=` needs what {self.path.parent.name} learnt: its {what} is {known}, but now it is {came}; "
                    f"{advice}."
                )


def _patches(folder: Path) -> npt.NDArray[np.float32]:
    """Map the patches of a folder, (n, bands, side, side), NaN where not valid."""
    stored: npt.NDArray[np.float32] = np.load(folder / PATCHES, mmap_mode="r", allow_pickle=False)
    if stored.ndim != 4 or stored.dtype != np.float32:
        raise ValueError(f"{stored.ndim} axes of {stored.dtype}")
    return stored


def capacity(bands: int, side: int) -> int:
    """Number of patches that a reservoir keeps at most: 2,000, and 256 MiB."""
    return max(1, min(_MOST_PATCHES, _MOST_BYTES // (4 * bands * side**2)))


def draw_slots(seed: int, most: int, before: int, offered: int) -> Slots:
    """Draw the items of a reservoir after more of its stream: each with probability most / (before + offered).

    Algorithm R of Vitter (1985): item i, counted from 1, is kept with probability most / i, in the place of a random one.

    Parameters
    ----------
    seed : of the draw.
    most : items that are kept.
    before : items that the stream had before.
    offered : new items.

    Returns
    -------
    (min(most, before + offered),) the new item in each slot, from 0; -1 where the slot keeps what it holds.
    """
    ends = np.arange(before + 1, before + offered + 1)
    drawn = np.random.default_rng([seed, before]).integers(0, ends)
    slots = np.where(ends <= most, ends - 1, drawn)  # the first fill it
    held = np.full(min(most, before + offered), -1, np.int64)
    for item, slot in enumerate(slots):
        if slot < most:
            held[slot] = item
    return held
