"""``geodl lidar``: rasters of LiDAR points, and classes of the points."""

from __future__ import annotations

import click

from .classify import classify
from .raster import raster
from .segment import segment

__all__ = ["lidar"]


@click.group()
def lidar() -> None:
    """Rasters of LiDAR points, and classes of the points.

    LAS 1.2 to 1.4, LAZ and COPC are read. Once points are a raster, every command on rasters takes it.

    \b
    geodl lidar raster tiles/*.laz --cell 0.5 -o bands.tif
    geodl lidar segment drive/ -m helix.safetensors -o classified/
    geodl lidar classify tile.laz -m points.skops -o classified.laz
    """


lidar.add_command(raster)
lidar.add_command(segment)
lidar.add_command(classify)
