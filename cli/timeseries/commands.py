"""``geodl timeseries``: classes and values from image time series of pixels and parcels."""

from __future__ import annotations

import click

from .classify import classify
from .info import info
from .train import train

__all__ = ["timeseries"]


@click.group()
def timeseries() -> None:
    """Classes and values from time series of satellite images, of pixels and of parcels.

    A series is a stack of dated scenes (a folder, a pattern, a list, a STAC collection, a cube of NetCDF or
    Zarr), or a table of points. Dates may be irregular and cloudy; sensors have dates of their own.

    \b
    geodl timeseries info STACK
    geodl timeseries train points.csv --class-column crop -o crops.safetensors
    geodl timeseries train STACK --labels fields.gpkg -o crops.safetensors
    geodl timeseries classify STACK -m crops.safetensors -o map.tif
    geodl timeseries classify STACK --parcels fields.gpkg -m crops.safetensors -o fields_crops.gpkg
    """


timeseries.add_command(info)
timeseries.add_command(classify)
timeseries.add_command(train)
