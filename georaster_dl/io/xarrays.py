"""Arrays with named dimensions (xarray) made of rasters in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.legend import Legend, color_hex

if TYPE_CHECKING:
    from xarray import DataArray

__all__ = ["lazy_dataarray", "needing_xarray", "to_dataarray"]


def to_dataarray(
    array: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_],
    geobox: Georeference,
    bands: Sequence[Band],
    legend: Legend | None,
    unit: str,
) -> DataArray:
    """Make a DataArray of a raster's parts; see ``Raster.to_xarray``."""
    with needing_xarray():
        from odc.geo.xr import wrap_xr
    nodata: float = np.nan if legend is None else legend.nodata
    dtype = np.result_type(array, np.float32) if legend is None else array.dtype
    values = np.where(valid, array, np.asarray(nodata, dtype)).astype(dtype)
    made = wrap_xr(values, geobox, nodata=nodata, dims=("band", *geobox.dimensions), axis=1)
    made = made.assign_coords(_of_bands(bands))
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


def lazy_dataarray(
    read: Callable[..., npt.NDArray[np.float32]],
    geobox: Georeference,
    bands: Sequence[Band],
    dates: Sequence[date] | None = None,
) -> DataArray:
    """Make a DataArray whose windows are read when they are asked for; see ``Scene.to_xarray``.

    Parameters
    ----------
    read : gives float32 values (bands, rows, cols) of bands (places counted from 0), rows and cols; with
        ``dates`` values (dates, bands, rows, cols) of dates (places), bands, rows and cols.
    dates : make an axis of time before that of bands.
    """
    with needing_xarray():
        import xarray
        from odc.geo.xr import xr_coords
        from xarray.backends import BackendArray
        from xarray.core import indexing

    leading = (len(bands),) if dates is None else (len(dates), len(bands))

    class Windows(BackendArray):
        """Pixels as xarray's backends give them."""

        shape = (*leading, *geobox.shape)
        dtype = np.dtype("float32")

        def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
            basic = indexing.IndexingSupport.BASIC
            return indexing.explicit_indexing_adapter(key, self.shape, basic, self._window)

        def _window(self, key: tuple[int | slice, ...]) -> npt.NDArray[np.float32]:
            """Read a whole run of each axis, and take the steps and single places asked for from it."""
            runs = [
                range(n)[k] if isinstance(k, slice) else range(k, k + 1)
                for k, n in zip(key, self.shape, strict=True)
            ]
            if not all(runs):
                values = np.empty([len(run) for run in runs], np.float32)
            else:
                *chosen, rows, cols = runs
                window = (slice(min(run), max(run) + 1) for run in (rows, cols))
                values = read(*map(list, chosen), *window)
                values = values[..., [row - min(rows) for row in rows], :]
                values = values[..., [col - min(cols) for col in cols]]
            return values[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]

    lazy = indexing.LazilyIndexedArray(Windows())
    coordinates: dict[Any, Any] = {**xr_coords(geobox), **_of_bands(bands)}
    dims: tuple[str, ...] = ("band", *geobox.dimensions)
    if dates is not None:
        coordinates["time"] = np.array(dates, "datetime64[ns]")
        dims = ("time", *dims)
    return xarray.DataArray(lazy, coordinates, dims, attrs={"_FillValue": np.nan})


def _of_bands(bands: Sequence[Band]) -> dict[str, Any]:
    """Coordinates of bands: names, and wavelengths where all are known."""
    coordinates: dict[str, Any] = {"band": [band.name for band in bands]}
    wavelengths = [band.wavelength_nm for band in bands]
    if None not in wavelengths:
        coordinates["wavelength"] = ("band", wavelengths, {"units": "nm"})
    return coordinates


@contextmanager
def needing_xarray() -> Iterator[None]:
    """Say how xarray is installed where a block of code fails to import it."""
    try:
        yield
    except ImportError as error:
        raise OptionError(
            "DataArrays, NetCDF and Zarr need xarray, which is not installed; `pip install 'georaster_dl[xarray]'`."
        ) from error
