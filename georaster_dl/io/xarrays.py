"""Arrays with named dimensions (xarray) made of rasters in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, color_hex
from georaster_dl.core.raster import Georeference

if TYPE_CHECKING:
    from xarray import DataArray

__all__ = ["to_dataarray"]


def to_dataarray(
    array: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_],
    geobox: Georeference,
    bands: Sequence[Band],
    legend: Legend | None,
    unit: str,
) -> DataArray:
    """Make a DataArray of a raster's parts; see ``Raster.to_xarray``."""
    try:
        from odc.geo.xr import wrap_xr
    except ImportError as error:
        raise OptionError(
            "A DataArray needs xarray, which is not installed; `pip install 'georaster_dl[xarray]'`."
        ) from error
    nodata: float = np.nan if legend is None else legend.nodata
    dtype = np.result_type(array, np.float32) if legend is None else array.dtype
    values = np.where(valid, array, np.asarray(nodata, dtype)).astype(dtype)
    made = wrap_xr(values, geobox, nodata=nodata, dims=("band", *geobox.dimensions), axis=1)
    coordinates: dict[str, Any] = {"band": [band.name for band in bands]}
    if all(band.wavelength_nm is not None for band in bands):
        coordinates["wavelength"] = (
            "band",
            [band.wavelength_nm for band in bands],
            {"units": "nm"},
        )
    made = made.assign_coords(coordinates)
    made.attrs["_FillValue"] = nodata
    if unit:
        made.attrs["units"] = unit
    if legend is not None:
        made.attrs |= {
            "flag_values": np.array(legend.values, array.dtype),
            "flag_meanings": " ".join("_".join(name.split()) for name in legend.names),
            "class_names": legend.names,
            "class_colors": [color_hex(entry.color) for entry in legend.classes],
        }
    return made
