"""Series of cubes: variables with a time axis in NetCDF, Zarr or xarray's memory, read by windows.

A sensor may lie in several cubes: of other bands (10 m and 20 m), or of other dates (a file a month).
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError

from georaster_dl.core.bands import Band, named_bands
from georaster_dl.core.errors import SceneError
from georaster_dl.core.geography import Georeference
from georaster_dl.io.arrays import check_even, stated_nodata, stated_scaling, xarray_bands
from georaster_dl.io.formats.missions import band_of_file
from georaster_dl.io.scenes.planes import Plane
from georaster_dl.io.xarrays import needing_xarray

if TYPE_CHECKING:
    import xarray

__all__ = ["Cube", "is_cube_path", "open_cube"]

# The libraries of NetCDF and HDF5 break where several threads open and read files, even other ones.
_ONE_THREAD = threading.RLock()
_ENDINGS = (".nc", ".nc4", ".cdf", ".zarr")
_ZARR = (".zgroup", ".zattrs", ".zmetadata", "zarr.json")
_LARGEST_MEASUREMENT = 1e30
_TIMES = ("time", "t", "timestamp", "date", "datetime")


@dataclass(frozen=True)
class Cube:
    """Variables with a time axis, on one grid.

    Attributes
    ----------
    name : path, address, or what messages call a Dataset in memory.
    memory : the Dataset, None where it is read from ``name``.
    time : name of the time axis.
    along : names of the axes of rows and cols.
    geobox : grid, north up where the coordinates say so.
    stamps : times of the images in the order of the axis, datetime64 in seconds.
    planes : bands; the path of each is its variable, the index its place in the axis of bands.
    block : rows, cols that are decoded at once.
    """

    name: str
    memory: Any
    time: Hashable
    along: tuple[Hashable, Hashable]
    geobox: Georeference
    stamps: tuple[np.datetime64, ...]
    planes: tuple[Plane, ...]
    block: tuple[int, int] = (1, 1)

    @property
    def days(self) -> tuple[date, ...]:
        """Day (UTC) of each image."""
        return tuple(stamp.astype("datetime64[D]").item() for stamp in self.stamps)

    def opened(self) -> xarray.Dataset:
        """Open the Dataset, with its rows from north to south."""
        return _dataset(self.name) if self.memory is None else self.memory

    def close(self, dataset: xarray.Dataset) -> None:
        """Close the Dataset of a file; that in memory belongs to the caller."""
        if self.memory is None:
            with _ONE_THREAD:
                dataset.close()

    def read(
        self,
        dataset: xarray.Dataset,
        planes: Sequence[Plane],
        times: Sequence[int],
        window: tuple[slice, slice],
    ) -> npt.NDArray[np.float32]:
        """Read physical values (times, planes, rows, cols), NaN where there is no measurement."""
        rows, cols = window
        shape = (len(times), len(planes), rows.stop - rows.start, cols.stop - cols.start)
        out = np.empty(shape, np.float32)
        for variable in dict.fromkeys(plane.path for plane in planes):
            places = [i for i, plane in enumerate(planes) if plane.path == variable]
            stored = self._stored(dataset[variable], times, window)
            for place in places:
                out[:, place] = _physical(stored[:, planes[place].index - 1], planes[place])
        return out

    def read_stored(
        self,
        dataset: xarray.Dataset,
        plane: Plane,
        times: Sequence[int],
        window: tuple[slice, slice],
    ) -> npt.NDArray[Any]:
        """Read stored numbers (times, rows, cols) of a plane."""
        return self._stored(dataset[plane.path], times, window)[:, plane.index - 1]

    def _stored(
        self, variable: xarray.DataArray, times: Sequence[int], window: tuple[slice, slice]
    ) -> npt.NDArray[Any]:
        """Stored numbers (times, bands, rows, cols): one run of the time axis, of which the times are taken."""
        first = min(times)
        run = slice(first, max(times) + 1)
        part = variable.isel({self.time: run, self.along[0]: window[0], self.along[1]: window[1]})
        axis = _band_axis(part, self.time, self.along)
        order = (self.time, *([] if axis is None else [axis]), *self.along)
        with _ONE_THREAD if self.memory is None else nullcontext():
            stored = part.transpose(*order).to_numpy()
        if axis is None:
            stored = stored[:, None]
        if _is_unsigned(variable):
            stored = stored.astype(stored.dtype.newbyteorder("=")).view(f"u{stored.dtype.itemsize}")
        return stored[[time - first for time in times]]


def _physical(stored: npt.NDArray[Any], plane: Plane) -> npt.NDArray[np.float32]:
    values = stored.astype(np.float32)
    valid = (
        np.abs(values) < _LARGEST_MEASUREMENT
    )  # false of NaN, infinity and forgotten fill values
    if plane.marked is not None:
        valid &= stored != stored.dtype.type(plane.marked)
    values *= np.float32(plane.scale)
    values += np.float32(plane.offset)
    values[~valid] = np.nan
    return values


def is_cube_path(source: str) -> bool:
    """Return whether a path or address names NetCDF or Zarr."""
    path = Path(source)
    if source.rstrip("/").lower().endswith(_ENDINGS):
        return True
    return path.is_dir() and any((path / name).exists() for name in _ZARR)


def open_cube(source: str | xarray.Dataset | xarray.DataArray, name: str = "") -> Cube | None:
    """Describe the variables with a time axis of a file, store or Dataset.

    Parameters
    ----------
    name : of a Dataset in memory.

    Returns
    -------
    The cube; None where no variable has axes of time, rows and cols.

    Raises
    ------
    SceneError
        When the source cannot be read, its axes have no usable coordinates, or its times are no dates.
    OptionError
        When xarray is not installed.
    """
    if isinstance(source, str):
        dataset, memory = _dataset(source), None
    else:
        dataset = memory = _prepared(_as_dataset(source))
        source = name
    time = _time_axis(dataset)
    along = dataset.odc.spatial_dims
    if time is None or along is None:
        return None
    variables = [v for v in dataset.data_vars.values() if _is_image(v, time, along)]
    if not variables:
        return None
    for dim in along:
        check_even(variables[0], [dim])
    geobox = variables[0].odc.geobox
    if geobox is None:
        raise SceneError(
            f"The images of {source} have no coordinates along {along[0]} and {along[1]}; assign them to the "
            f"variables."
        )
    if geobox.crs is None:
        geobox = GeoBox(geobox.shape, geobox.affine, _stated_crs(dataset, along))
    return Cube(
        name=source,
        memory=memory,
        time=time,
        along=along,
        geobox=geobox,
        stamps=_stamps(dataset, time, source),
        planes=_planes(dataset, variables, time, along),
        block=_block(variables, along),
    )


def _stated_crs(dataset: xarray.Dataset, along: tuple[Hashable, Hashable]) -> CRS | None:
    """Find the CRS that a Dataset states beside its variables, none of which refers to it."""
    texts = [v.attrs.get("crs_wkt", v.attrs.get("spatial_ref")) for v in dataset.variables.values()]
    texts += [dataset.attrs.get(key) for key in ("crs_wkt", "spatial_ref", "crs", "epsg")]
    if str(along[0]) in ("lat", "latitude"):
        texts.append("EPSG:4326")
    for text in texts:
        stated = str(text or "").removeprefix("+init=")
        try:
            return CRS(f"EPSG:{stated}" if stated.isdecimal() else stated)
        except (CRSError, ValueError):
            continue
    return None


def _dataset(source: str) -> xarray.Dataset:
    with needing_xarray():
        import xarray
    is_zarr = source.rstrip("/").lower().endswith(".zarr") or Path(source).is_dir()
    # A local store is as fast without consolidated metadata, whose absence xarray warns of.
    zarr = {"consolidated": False} if Path(source).is_dir() else {}
    try:
        with _ONE_THREAD:
            # Numbers stay as they are stored: files state fill values that their types cannot hold.
            dataset = xarray.open_dataset(
                source,
                engine="zarr" if is_zarr else None,
                mask_and_scale=False,
                cache=False,
                chunks=None,
                backend_kwargs=zarr or None,
            )
    except (ImportError, ValueError) as error:
        raise SceneError(
            f"{source} cannot be opened by xarray ({str(error).splitlines()[0]}). Of NetCDF and Zarr it needs more packages: "
            f"`pip install 'georaster_dl[xarray]'`; else fetch the file again."
        ) from error
    except OSError as error:
        raise SceneError(f"{source} cannot be read ({error}); fetch it again.") from error
    with _ONE_THREAD:
        prepared = _prepared(dataset)
    # A folder has no order of its own.
    return prepared[sorted(prepared.data_vars, key=str)] if is_zarr else prepared


def _as_dataset(source: xarray.Dataset | xarray.DataArray) -> xarray.Dataset:
    import xarray

    if isinstance(source, xarray.Dataset):
        return source
    name = "band_1" if source.name is None else str(source.name)
    return source.to_dataset(name=name)


def _prepared(dataset: xarray.Dataset) -> xarray.Dataset:
    """The Dataset with its grid mappings as coordinates, and with rows from north to south."""
    import odc.geo.xr  # noqa: F401 - adds the accessor `odc`

    mappings = {
        v.attrs.get("grid_mapping", v.encoding.get("grid_mapping"))
        for v in dataset.data_vars.values()
    }
    dataset = dataset.set_coords([name for name in mappings if name in dataset.variables])
    along = dataset.odc.spatial_dims
    if along is None or along[0] not in dataset.coords:
        return dataset
    northings = dataset.coords[along[0]].to_numpy()
    if northings.size > 1 and northings[0] < northings[-1]:
        return dataset.isel({along[0]: slice(None, None, -1)})
    return dataset


def _time_axis(dataset: xarray.Dataset) -> Hashable | None:
    """Find the axis with a coordinate of dates, else with a name of time."""
    for dim in dataset.dims:
        if dim in dataset.coords and dataset.coords[dim].dtype.kind == "M":
            return dim
    named = (dim for dim in dataset.dims if str(dim).casefold() in _TIMES and dim in dataset.coords)
    return next(named, None)


def _stamps(dataset: xarray.Dataset, time: Hashable, name: str) -> tuple[np.datetime64, ...]:
    values = dataset.coords[time].to_numpy()
    try:
        if values.dtype == object:  # dates of Python, or of another calendar
            values = np.array([np.datetime64(f"{v:%Y-%m-%dT%H:%M:%S}") for v in values])
        stamps = values.astype("datetime64[s]")
    except (ValueError, TypeError) as error:
        raise SceneError(
            f"The axis {time} of {name} holds no dates ({values[:1]}); give it CF units (days since 1970-01-01), or "
            f"assign dates."
        ) from error
    if values.dtype.kind not in "MUS" or np.isnat(stamps).any():
        raise SceneError(
            f"The axis {time} of {name} holds numbers without a unit of time, or gaps; give it CF units (days since "
            f"1970-01-01), or assign dates."
        )
    return tuple(stamps)


def _is_image(variable: xarray.DataArray, time: Hashable, along: Sequence[Hashable]) -> bool:
    others = set(variable.dims) - {time, *along}
    return (
        {time, *along} <= set(variable.dims) and len(others) <= 1 and variable.dtype.kind in "uif"
    )


def _band_axis(
    variable: xarray.DataArray, time: Hashable, along: Sequence[Hashable]
) -> Hashable | None:
    return next((dim for dim in variable.dims if dim not in (time, *along)), None)


def _is_unsigned(variable: xarray.DataArray) -> bool:
    """Whether signed numbers mean unsigned numbers, as in files of NetCDF 3."""
    return variable.dtype.kind == "i" and str(variable.attrs.get("_Unsigned", "")) == "true"


def _planes(
    dataset: xarray.Dataset,
    variables: Sequence[xarray.DataArray],
    time: Hashable,
    along: tuple[Hashable, Hashable],
) -> tuple[Plane, ...]:
    fill = dataset.attrs.get("_FillValue")
    axes = [_band_axis(variable, time, along) for variable in variables]
    several = sum(axis is not None for axis in axes) > 1
    planes = []
    for variable, axis in zip(variables, axes, strict=True):
        bands = (_band_of(variable),) if axis is None else xarray_bands(variable, axis)
        if axis is not None and several:
            bands = tuple(replace(band, name=f"{variable.name}_{band.name}") for band in bands)
        nodata = stated_nodata(variable)
        dtype = f"u{variable.dtype.name}" if _is_unsigned(variable) else variable.dtype.name
        for place, band in enumerate(bands):
            scale, offset = stated_scaling(variable, place)
            physical = variable.dtype.kind == "f" or (scale, offset) != (1.0, 0.0)
            if fill is not None and (nodata is None or np.isnan(nodata)):
                nodata = float(fill)
            planes.append(
                Plane(band, str(variable.name), place + 1, dtype, scale, offset, physical, nodata)
            )
    return tuple(planes)


def _band_of(variable: xarray.DataArray) -> Band:
    """The band that a variable is named after, or that its long name ends in: ``S2-L2A-B02``."""
    named = named_bands([str(variable.name)])[0]
    if named.wavelength_nm is not None:
        return named
    return band_of_file(f"{variable.attrs.get('long_name', '')}.nc") or named


def _block(
    variables: Sequence[xarray.DataArray], along: tuple[Hashable, Hashable]
) -> tuple[int, int]:
    rows, cols = 1, 1
    for variable in variables:
        chunks = {dim: max(sizes) for dim, sizes in variable.chunksizes.items()}
        chunks = chunks or variable.encoding.get("preferred_chunks", {})
        rows, cols = max(rows, chunks.get(along[0], 1)), max(cols, chunks.get(along[1], 1))
    return rows, cols
