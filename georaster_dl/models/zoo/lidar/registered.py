"""Registration of the library's network of LiDAR sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import NetworkSpec, register_model

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []

_OPTIONS = {
    "r_max": 54.0,
    "z_low": -4.5,
    "z_high": 1.5,
    "voxel_r": 0.2,
    "voxel_azimuth": 4 / 3,
    "voxel_z": 1 / 6,
    "radius": 6.0,
}


@register_model(options=_OPTIONS, points=True)
def helix4d(spec: NetworkSpec) -> nn.Module:
    """Slices of a rotating LiDAR, with attention over two past turns (Loiseau et al. 2022)."""
    from georaster_dl.models.zoo.lidar.grid import FEATURES, CylinderGrid
    from georaster_dl.models.zoo.lidar.helix4d import Helix4D

    if spec.in_bands != len(FEATURES):
        raise OptionError(
            f"helix4d reads {len(FEATURES)} features of a point, but got in_bands={spec.in_bands}; give that number."
        )
    options = dict(spec.options)
    radius = float(options.pop("radius"))
    if radius <= 0:
        raise OptionError(f"helix4d needs a `radius` above 0, but got {radius:g}.")
    return Helix4D(spec.n_classes, CylinderGrid(**options), radius)
