"""A rotation of a LiDAR sensor: the points of one turn, in the order in which they were measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError

__all__ = ["Rotation"]


@dataclass(frozen=True, eq=False)
class Rotation:
    """Points of one turn of a sensor, without those that no return was measured of.

    Attributes
    ----------
    xyz : (n, 3) float32, in metres, in the sensor's frame: z is up.
    intensity : (n,) float32, 0 to 255.
    seconds : (n,) float64, time of each point's firing; does not fall.
    fiber : (n,) int16 number of the laser; None where it is not known.
    label : (n,) class of each point, 0 where it has none; None of rotations without labels.
    pose : (4, 4) float64, from the sensor's frame to the world's.
    name : of the rotation, such as its file's stem.
    index : (n,) int64, place of each point in its source.
    source_points : number of points of the source, those without a return included.

    Raises
    ------
    OptionError
        When an array has another length, or times fall.
    """

    xyz: npt.NDArray[np.float32]
    intensity: npt.NDArray[np.float32]
    seconds: npt.NDArray[np.float64]
    fiber: npt.NDArray[np.int16] | None
    label: npt.NDArray[np.integer[Any]] | None
    pose: npt.NDArray[np.float64]
    name: str
    index: npt.NDArray[np.int64]
    source_points: int

    def __post_init__(self) -> None:
        """Check lengths, and the order of the points."""
        n = len(self.xyz)
        for field, shape in (
            ("xyz", (n, 3)),
            ("intensity", (n,)),
            ("seconds", (n,)),
            ("fiber", (n,)),
            ("label", (n,)),
            ("index", (n,)),
            ("pose", (4, 4)),
        ):
            array = getattr(self, field)
            if array is not None and np.shape(array) != shape:
                raise OptionError(
                    f"{field} of the rotation {self.name!r} has the shape {np.shape(array)}, but {shape} was expected; "
                    f"correct its reader."
                )
        if n > 1 and bool((np.diff(self.seconds) < 0).any()):
            raise OptionError(
                f"The points of the rotation {self.name!r} are not in the order of their firing; sort them by time."
            )

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.xyz)

    def in_source(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Place a value of each point (n,) where its source has the point; 0 where it has no return."""
        placed = np.zeros(self.source_points, values.dtype)
        placed[self.index] = values
        return placed
