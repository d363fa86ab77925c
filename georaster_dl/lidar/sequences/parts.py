"""Training, validation and test parts of sequences."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.lidar.sequences.rotation import Rotation

__all__ = ["Part", "Parts", "Rotations", "Run", "split_parts"]

_FEWEST_SEQUENCES = 3
_HELD_OUT = 0.15  # of the sequences, or of the time, for validation and for the test each
_GAP = 5  # turns between parts of a sequence, more than a network remembers
_FEWEST_TURNS = 24


class Rotations(Protocol):
    """Rotations of a sensor in order of time, by number."""

    @property
    def period_s(self) -> float:
        """Seconds of a turn."""

    def __len__(self) -> int:
        """Return their number."""

    def __getitem__(self, number: int, /) -> Rotation:
        """Read a rotation."""


@dataclass(frozen=True)
class Run:
    """Rotations that follow each other: those from ``first`` up to, without, ``stop``."""

    rotations: Rotations
    first: int
    stop: int


Part = tuple[Run, ...]
"""Runs that train, validate or test."""


@dataclass(frozen=True)
class Parts:
    """Parts of a training, and in words how they were divided."""

    training: Part
    validation: Part
    test: Part
    how: str


def split_parts(sequences: Items[Rotations], seed: int) -> Parts:
    """Divide sequences by wholes where there are three or more, else each by time, with gaps.

    Slices are never divided: neighbours are nearly the same.

    Raises
    ------
    OptionError
        When there are fewer than three sequences and one is too short to be divided.
    """
    if len(sequences) >= _FEWEST_SEQUENCES:
        order = [sequences[i] for i in np.random.default_rng(seed).permutation(len(sequences))]
        out = max(1, round(_HELD_OUT * len(order)))
        test, validation, training = (
            tuple(Run(one, 0, len(one)) for one in part)
            for part in (order[:out], order[out : 2 * out], order[2 * out :])
        )
        how = f"whole sequences: {len(training)} train, {out} each for validation and test"
        return Parts(training, validation, test, how)
    stretches = [_stretches(one) for one in sequences]
    training, validation, test = (tuple(part) for part in zip(*stretches, strict=True))
    how = f"stretches of time of each sequence, {_GAP} turns apart: training, validation, test"
    return Parts(training, validation, test, how)


def _stretches(sequence: Rotations) -> tuple[Run, Run, Run]:
    turns = len(sequence)
    if turns < _FEWEST_TURNS:
        raise OptionError(
            f"A sequence of {counted(turns, 'rotation')} cannot be divided into training, validation and test; give "
            f"{_FEWEST_SEQUENCES} sequences or more, or longer ones ({_FEWEST_TURNS} rotations or more)."
        )
    out = max(1, round(_HELD_OUT * turns))
    test, validation = turns - out, turns - 2 * out - _GAP
    return (
        Run(sequence, 0, validation - _GAP),
        Run(sequence, validation, validation + out),
        Run(sequence, test, turns),
    )
