"""Cylindrical voxels around a rotating sensor, and the features of points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from georaster_dl.core.errors import OptionError

__all__ = ["FEATURES", "CylinderGrid"]

FEATURES = (
    "offset range",
    "offset azimuth",
    "offset height",
    "range",
    "cos azimuth",
    "sin azimuth",
    "x",
    "y",
    "z",
    "intensity",
)
"""Values of a point, in their order: place in its voxel (-1 to 1), place around the sensor, strength of the return."""

_WIDEST = 1.1  # features beyond the grid's ends


@dataclass(frozen=True)
class CylinderGrid:
    """Voxels in range, azimuth and height.

    Attributes
    ----------
    r_max : range in metres that ends the grid; what is beyond is in its last voxels.
    z_low, z_high : heights in metres, in the sensor's frame, that end it.
    voxel_r, voxel_azimuth, voxel_z : size of a fine voxel, in metres, degrees and metres.

    Raises
    ------
    OptionError
        When there would be no voxel.
    """

    r_max: float = 54.0
    z_low: float = -4.5
    z_high: float = 1.5
    voxel_r: float = 0.2
    voxel_azimuth: float = 4 / 3
    voxel_z: float = 1 / 6

    def __post_init__(self) -> None:
        """Check the sizes."""
        sizes = (self.voxel_r, self.voxel_azimuth, self.voxel_z)
        if min(sizes) <= 0 or self.r_max <= self.voxel_r or self.z_high <= self.z_low:
            raise OptionError(
                f"A grid needs voxels above 0, `r_max` above `voxel_r` and `z_high` above `z_low`, but got {self}."
            )

    def read(
        self, xyz: Tensor, intensity: Tensor, start: float, *, whole: bool
    ) -> tuple[Tensor, Tensor]:
        """Read points: features (n, 10) float32, and places (n, 3) int64 in range, azimuth and height.

        Parameters
        ----------
        xyz : (n, 3) float32 in metres, in the sensor's frame.
        intensity : (n,) 0 to 255.
        start : azimuth in radians at which the slice begins.
        whole : a whole turn, whose azimuths go once around from the start. Those of less are the shorter way from it.
        """
        x, y, z = xyz.double().unbind(dim=1)
        r, azimuth = torch.hypot(x, y), torch.atan2(y, x)
        turned = torch.remainder(azimuth - start + (0 if whole else math.pi), 2 * math.pi)
        turned = turned - (0 if whole else math.pi)
        step = math.radians(self.voxel_azimuth)
        sizes = xyz.new_tensor([self.voxel_r, step, self.voxel_z], dtype=torch.float64)
        within = torch.stack([r, turned, z - self.z_low], dim=1) / sizes
        # A remainder may round to a whole turn, and what is beyond the ends is in the last voxel.
        ends = xyz.new_tensor(
            [
                self.r_max / self.voxel_r,
                2 * math.pi / step,
                (self.z_high - self.z_low) / self.voxel_z,
            ],
            dtype=torch.float64,
        )
        last = (ends - 1e-6).ceil().long() - 1
        places = torch.minimum(within.floor().long(), last)
        places[:, 0::2].clamp_(min=0)
        offset = 2 * (within - places) - 1
        middle, half = (self.z_low + self.z_high) / 2, (self.z_high - self.z_low) / 2
        around = [
            r / self.r_max,
            azimuth.cos(),
            azimuth.sin(),
            x / self.r_max,
            y / self.r_max,
            (z - middle) / half,
            intensity.double() / 256,
        ]
        features = torch.cat([offset, torch.stack(around, dim=1)], dim=1)
        return features.clamp_(-_WIDEST, _WIDEST).float(), places
