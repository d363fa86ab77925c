"""Scenes made of arrays in memory: of NumPy, of xarray (Dask behind it too), or of a raster."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from georaster_dl.core.bands import Band, named_bands
from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.geography import Georeference
from georaster_dl.io.formats.metadata import with_wavelengths
from georaster_dl.io.raster import Raster
from georaster_dl.io.scenes.memory import ArrayPixels
from georaster_dl.io.scenes.planes import Plane
from georaster_dl.io.scenes.scene import Scene

if TYPE_CHECKING:
    import xarray

__all__ = [
    "InMemory",
    "check_even",
    "is_array",
    "is_xarray",
    "scene_in_memory",
    "stated_nodata",
    "stated_scaling",
    "xarray_bands",
]

InMemory: TypeAlias = "npt.NDArray[Any] | Raster | xarray.DataArray | xarray.Dataset"
"""Pixels that are no file."""

_NODATA_KEYS = ("_FillValue", "missing_value", "nodata")
_UNEVEN = 0.01  # of a step, by which one may differ from the others
_WAVELENGTH_KEYS = ("wavelength", "wavelengths", "wavelength_nm", "center_wavelength")


def is_array(source: object) -> bool:
    """Whether a scene is given as pixels and not as the path of a file."""
    return isinstance(source, np.ndarray | Raster) or is_xarray(source)


def is_xarray(source: object) -> bool:
    """Return whether an object is a DataArray or Dataset, without importing xarray."""
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


@dataclass(frozen=True, eq=False)
class _OfNumpy:
    """Windows of an array (bands, rows, cols)."""

    array: npt.NDArray[Any]

    def __call__(self, indexes: Sequence[int], rows: slice, cols: slice) -> npt.NDArray[Any]:
        return self.array[list(indexes), rows, cols]


@dataclass(frozen=True, eq=False)
class _OfXarray:
    """Windows of a DataArray, which may be lazy, with its dimensions of bands, rows and cols."""

    array: xarray.DataArray
    dims: tuple[Hashable, Hashable, Hashable]

    def __call__(self, indexes: Sequence[int], rows: slice, cols: slice) -> npt.NDArray[Any]:
        window = dict(zip(self.dims, (list(indexes), rows, cols), strict=True))
        values: npt.NDArray[Any] = self.array.isel(window).to_numpy()
        return values


def _numpy_pixels(
    path: str,
    array: npt.NDArray[Any],
    geobox: Georeference,
    valid: npt.NDArray[np.bool_] | None,
) -> ArrayPixels:
    return ArrayPixels(path, _OfNumpy(array), geobox, len(array), valid)


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
    _check_alike(variables)
    array = source.to_dataarray("band") if isinstance(source, xarray.Dataset) else source
    along = array.odc.spatial_dims
    others = [dim for dim in array.dims if along is None or dim not in along]
    single = [dim for dim in others if array.sizes[dim] == 1]
    # A date alone, say; a single band stays.
    array = array.squeeze(single[: len(others) - 1], drop=True)
    others = [dim for dim in array.dims if along is None or dim not in along]
    sizes = ", ".join(f"{dim} ({n})" for dim, n in array.sizes.items())
    if along is None or len(others) > 1:
        raise SceneError(
            f"A DataArray with the dimensions {sizes} is no scene; give one with y, x and at most one more, of bands; "
            f"choose one of several dates with isel()."
        )
    check_even(array, along)
    geobox = array.odc.geobox
    if geobox is None:
        raise SceneError(
            f"The DataArray has the dimensions {sizes}, but no coordinates along {along[0]} and {along[1]}; assign them, or "
            f"give its NumPy array with the names of its bands."
        )
    band_dim = others[0] if others else "band"
    if not others:
        array = array.expand_dims(band_dim)
    array = array.transpose(band_dim, *along)
    n_bands = array.sizes[band_dim]
    window = _OfXarray(array, (band_dim, *along))
    each = variables * (n_bands if len(variables) == 1 else 1)
    chunks = array.chunksizes.get(along[0])
    return _scene(
        ArrayPixels(f"{type(source).__name__} in memory", window, geobox, n_bands),
        xarray_bands(array, band_dim),
        array.dtype,
        nodata=[stated_nodata(variable) for variable in each],
        scaling=[stated_scaling(variable, i) for i, variable in enumerate(each)],
        block_rows=max(chunks) if chunks else 1,
    )


def _check_alike(variables: Sequence[xarray.DataArray]) -> None:
    """Check that there are variables, and that all are on one grid: xarray would repeat them to fit."""
    if not variables:
        raise SceneError("The Dataset has no variable; give one with a variable for each band.")
    first = variables[0]
    for other in variables[1:]:
        if other.sizes != first.sizes:
            raise SceneError(
                f"The variable {other.name!r} has the dimensions {dict(other.sizes)}, but {first.name!r} {dict(first.sizes)}; "
                f"bring all to one grid (interp_like), or leave that out."
            )


def check_even(array: xarray.DataArray, along: Sequence[Hashable]) -> None:
    """Check that coordinates go on in equal steps, as those of a raster do."""
    for dim in along:
        values = array.coords[dim].to_numpy() if dim in array.coords else np.arange(2)
        steps = np.diff(values.astype(np.float64))
        if steps.size and np.abs(steps - steps.mean()).max() > _UNEVEN * abs(steps.mean()):
            raise SceneError(
                f"The coordinates along {dim} do not go on in equal steps ({steps.min():g} to {steps.max():g}), so the pixels "
                f"are no raster; select a range without gaps, sort it, or interpolate to an even grid."
            )


def xarray_bands(array: xarray.DataArray, dim: Any) -> tuple[Band, ...]:
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


def stated_nodata(variable: xarray.DataArray) -> float | None:
    """Find the nodata value of a variable; None where it states none."""
    for key in _NODATA_KEYS:
        if variable.attrs.get(key) is not None:
            return float(variable.attrs[key])
    # rioxarray and odc-geo know more ways to state it.
    found = variable.odc.nodata
    return None if found is None else float(found)


def stated_scaling(variable: xarray.DataArray, index: int) -> tuple[float, float]:
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
