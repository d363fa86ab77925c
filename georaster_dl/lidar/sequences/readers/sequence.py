"""Rotations in the order of their acquisition, read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from georaster_dl.lidar.sequences.rotation import Rotation

__all__ = ["Sequence"]


@dataclass(frozen=True)
class Sequence:
    """Rotations of one sensor, read when they are asked for.

    Attributes
    ----------
    name : of the folder or file.
    layout : ``helixnet``, ``kitti``, ``ouster`` or ``las``.
    files : the point file of each rotation.
    labelled : whether rotations have labels.
    period_s : seconds of a rotation.
    remarks : a sentence about each thing that the files lack or say otherwise.
    """

    name: str
    layout: str
    files: tuple[Path, ...]
    labelled: bool
    period_s: float
    remarks: tuple[str, ...]
    load: Callable[[int], Rotation] = field(repr=False)
    name_classes: Callable[[], dict[int, str]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> Rotation:
        """Read a rotation by its number, from the end where it is negative.

        Raises
        ------
        IndexError
            When there is no such rotation.
        SceneError
            When its files are damaged or contradict each other.
        """
        return self.load(range(len(self.files))[number])

    def __iter__(self) -> Iterator[Rotation]:
        return (self.load(number) for number in range(len(self.files)))

    @cached_property
    def classes(self) -> dict[int, str]:
        """Names of the classes by label, without 0, which means no label; empty without labels.

        Layouts of open lists of classes have those that occur, for which all labels are read once.
        """
        return self.name_classes() if self.labelled else {}
