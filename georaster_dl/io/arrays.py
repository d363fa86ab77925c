"""Scenes made of arrays in memory: of NumPy, of xarray (Dask behind it too), or of a raster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from georaster_dl.core.bands import Band, named_bands
from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.raster import Georeference
from georaster_dl.io.formats.metadata import with_wavelengths
from georaster_dl.io.raster import Raster
from georaster_dl.io.scenes.memory import ArrayPixels
from georaster_dl.io.scenes.planes import Plane
from georaster_dl.io.scenes.scene import Scene

if TYPE_CHECKING:
    import xarray

__all__ = ["InMemory", "is_array", "scene_in_memory"]

InMemory: TypeAlias = "npt.NDArray[Any] | Raster | xarray.DataArray | xarray.Dataset"
"""Pixels that are no file."""

_NODATA_KEYS = ("_FillValue", "missing_value", "nodata")
_WAVELENGTH_KEYS = ("wavelength", "wavelengths", "wavelength_nm", "center_wavelength")


def is_array(source: object) -> bool:
    """Whether a scene is given as pixels and not as the path of a file."""
    return isinstance(source, np.ndarray | Raster) or _is_xarray(source)


def _is_xarray(source: object) -> bool:
    return type(source).__module__.partition(".")[0] == "xarray"


def scene_in_memory(source: InMemory) -> Scene:
    """Make a scene of pixels in memory; nothing is copied, and lazy arrays are computed by windows.

    Parameters
    ----------
    source : one of

        - an array (bands, rows, cols) or (rows, cols), masked or not, without a place on Earth;
        - a raster, whose values are physical;
        - a DataArray with the dimensions y and x (or latitude and longitude) and, beside them, at most one
          of bands, or a Dataset with a variable for each band. Names come from the coordinate of the
          bands (or ``long_name``), the place from rioxarray's or odc-geo's ``spatial_ref``, nodata
          from ``_FillValue``, and scale and offset from ``scale_factor`` and ``add_offset`` where
          xarray has not applied them.

    Raises
    ------
    SceneError
        When the dimensions are others.
    """
    if isinstance(source, Raster):
        return _of_raster(source)
    if isinstance(source, np.ndarray):
        return _of_array(source)
    return _of_xarray(source)


def _of_raster(raster: Raster) -> Scene:
    pixels = _numpy_pixels("Raster in memory", raster.array, raster.geobox, raster.valid)
    return _scene(pixels, raster.bands, raster.array.dtype, calibrated=True)


def _of_array(array: npt.NDArray[Any]) -> Scene:
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 0 in array.shape:
        raise SceneError(
            f"An array of shape {array.shape} is no scene; give (bands, rows, cols), the bands first "
            f"(`np.moveaxis(array, -1, 0)` where they are last)."
        )
    valid: npt.NDArray[np.bool_] | None = None
    if isinstance(array, np.ma.MaskedArray):
        valid = np.asarray(~np.ma.getmaskarray(array).any(axis=0))
        array = np.asarray(array.data)
    grid = GeoBox(array.shape[1:], Affine.identity(), None)
    names = [f"band_{i + 1}" for i in range(len(array))]
    return _scene(
        _numpy_pixels("Array in memory", array, grid, valid), named_bands(names), array.dtype
    )


def _numpy_pixels(
    path: str,
    array: npt.NDArray[Any],
    geobox: Georeference,
    valid: npt.NDArray[np.bool_] | None,
) -> ArrayPixels:
    def window(indexes: Sequence[int], rows: slice, cols: slice) -> npt.NDArray[Any]:
        return array[list(indexes), rows, cols]

    return ArrayPixels(path, window, geobox, len(array), valid)


def _scene(
    pixels: ArrayPixels,
    bands: Sequence[Band],
    dtype: np.dtype[Any],
    *,
    calibrated: bool = False,
    nodata: Sequence[float | None] | None = None,
    scaling: Sequence[tuple[float, float]] | None = None,
    block_rows: int = 1,
) -> Scene:
    """Make a scene of pixels; as of a file, floats and calibrated numbers are physical values."""
    if dtype.kind not in "uif":
        raise SceneError(f"{pixels.path} holds {dtype}; give whole numbers or floats.")
    planes = []
    for i, band in enumerate(bands):
        scale, offset = (1.0, 0.0) if scaling is None else scaling[i]
        physical = calibrated or dtype.kind == "f" or (scale, offset) != (1.0, 0.0)
        number = None if nodata is None else nodata[i]
        planes.append(Plane(band, pixels.path, i + 1, dtype.name, scale, offset, physical, number))
    return Scene(
        name=pixels.path,
        planes=tuple(planes),
        geobox=pixels.geobox,
        block_rows=block_rows,
        memory=pixels,
    )


def _of_xarray(source: xarray.DataArray | xarray.Dataset) -> Scene:
    import odc.geo.xr  # noqa: F401 - adds the accessor `odc`
    import xarray

    # A Dataset states what its numbers mean for each variable, a DataArray once.
    variables = list(source.data_vars.values()) if isinstance(source, xarray.Dataset) else [source]
    array = source.to_dataarray("band") if isinstance(source, xarray.Dataset) else source
    array = array.squeeze([d for d in array.dims if d in ("time", "t") and array.sizes[d] == 1])
    geobox = array.odc.geobox
    along = array.odc.spatial_dims
    others = [dim for dim in array.dims if along is None or dim not in along]
    if along is None or geobox is None or len(others) > 1:
        raise SceneError(
            f"A DataArray with the dimensions {', '.join(f'{d} ({n})' for d, n in array.sizes.items())} is no scene; "
            f"give one with y, x and at most one more, of bands; choose one of several dates with isel()."
        )
    band_dim = others[0] if others else "band"
    if not others:
        array = array.expand_dims(band_dim)
    array = array.transpose(band_dim, *along)
    n_bands = array.sizes[band_dim]

    def window(indexes: Sequence[int], rows: slice, cols: slice) -> npt.NDArray[Any]:
        part = array.isel({band_dim: list(indexes), along[0]: rows, along[1]: cols})
        values: npt.NDArray[Any] = part.to_numpy()
        return values

    each = variables * (n_bands if len(variables) == 1 else 1)
    chunks = array.chunksizes.get(along[0])
    return _scene(
        ArrayPixels(f"{type(source).__name__} in memory", window, geobox, n_bands),
        _xarray_bands(array, band_dim),
        array.dtype,
        nodata=[_nodata(variable) for variable in each],
        scaling=[_scaling(variable, i) for i, variable in enumerate(each)],
        block_rows=max(chunks) if chunks else 1,
    )


def _xarray_bands(array: xarray.DataArray, dim: Any) -> tuple[Band, ...]:
    """Bands by the names of their coordinate, or of ``long_name``, with their wavelengths."""
    n_bands = array.sizes[dim]
    stated = array.coords[dim].to_numpy() if dim in array.coords else np.arange(n_bands)
    names = [str(name) for name in stated]
    if stated.dtype.kind not in "US" and stated.dtype != object:
        described = array.attrs.get("long_name", ())
        described = [described] if isinstance(described, str) else list(described)
        fits = len(described) == n_bands and len(set(described)) == n_bands
        names = described if fits else [f"band_{i + 1}" for i in range(n_bands)]
    bands = named_bands(names)
    for key in _WAVELENGTH_KEYS:
        if key in array.coords and array.coords[key].dims == (dim,):
            values = array.coords[key]
            unit = str(values.attrs.get("units", ""))
            return with_wavelengths(bands, [float(value) for value in values], unit)
    return bands


def _nodata(variable: xarray.DataArray) -> float | None:
    """Find the nodata value of a variable; None where it states none."""
    for key in _NODATA_KEYS:
        if variable.attrs.get(key) is not None:
            return float(variable.attrs[key])
    # rioxarray and odc-geo know more ways to state it.
    found = variable.odc.nodata
    return None if found is None else float(found)


def _scaling(variable: xarray.DataArray, index: int) -> tuple[float, float]:
    """Scale and offset that xarray has not applied; those that it has are in ``encoding``."""
    found = []
    for of_all, of_each, neutral in (
        ("scale_factor", "scales", 1.0),
        ("add_offset", "offsets", 0.0),
    ):
        value = variable.attrs.get(of_all)
        if value is None and of_each in variable.attrs:
            listed = np.atleast_1d(variable.attrs[of_each])
            value = listed[index] if index < len(listed) else None
        found.append(neutral if value is None else float(value))
    scale, offset = found
    if scale == 0 or not np.isfinite(found).all():
        raise OptionError(
            f"The array states a scale of {scale:g} and an offset of {offset:g}, which leave "
            f"nothing of the values; remove them and state others with `scale=` and `offset=`."
        )
    return scale, offset
