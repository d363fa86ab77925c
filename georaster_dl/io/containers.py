"""Which variables of a container (NetCDF, HDF5) are the scene, and which are about it.

A container holds coordinates, look-up tables, angles and flags beside its image, often as larger arrays
than that. Variables that are coordinates by their names are left out; where there are cubes, single
planes are taken to describe them; of several grids the one with most numbers is taken. What is left
out is named, and any variable can be given by itself: ``NETCDF:"file.nc":variable``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from georaster_dl.errors import SceneError
from georaster_dl.io.scene import open_dataset
from georaster_dl.wording import counted, listed

__all__ = ["check_axes", "image_variables", "variable_name", "wavelength_lists"]

_COORDINATES = {
    *("lat", "lon", "latitude", "longitude", "x", "y", "z", "time", "crs", "spatial_ref"),
    *("glt_x", "glt_y", "elev", "elevation", "height", "altitude", "dem", "obs_time", "delta_time"),
    *("transverse_mercator", "polar_stereographic", "projection", "easting", "northing"),
}
_ENDINGS = (
    "_bnds",
    "_bounds",
    "_lat",
    "_lon",
    "latitude",
    "longitude",
    "_angle",
    "_azimuth",
    "_zenith",
)
_ABOUT = ("location", "geolocation", "geolocation fields", "geometry", "geometric fields")
_IMAGE = re.compile(r"reflectance|radiance|_cube|rfl|surface_refl|toa|boa", re.IGNORECASE)
_ROWS_COLS = {
    *(
        "x",
        "y",
        "lat",
        "lon",
        "latitude",
        "longitude",
        "row",
        "rows",
        "line",
        "lines",
        "col",
        "cols",
    ),
    *("column", "columns", "sample", "samples", "downtrack", "crosstrack", "easting", "northing"),
}
_LISTS = ("wavelengths", "wavelength", "band_wavelengths", "lambda")
_LIST_TAG = re.compile(r"wavelengths?$|List_Cw_", re.IGNORECASE)
_MOST_NAMED = 6


@dataclass(frozen=True)
class Variable:
    """An array of a container as GDAL opens it.

    Attributes
    ----------
    source : GDAL's name of it.
    name : the container's, with its groups: ``location/lat``.
    bands, rows, cols : its size.
    placed : whether it has a transform, by which its rows and columns are known.
    """

    source: str
    name: str
    bands: int
    rows: int
    cols: int
    placed: bool

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self.bands * self.rows * self.cols

    def __str__(self) -> str:
        shape = f"{self.rows} x {self.cols}"
        return f"{self.name} ({f'{self.bands} x ' * (self.bands > 1)}{shape})"


def variable_name(source: str) -> str:
    """Give the container's own name of a variable that GDAL calls ``NETCDF:"file.nc":group/name``."""
    return source.rsplit(":", 1)[-1].strip('"/')


def image_variables(source: str, subdatasets: Sequence[str]) -> tuple[list[Variable], str | None]:
    """Choose the variables of a container that are the scene.

    Parameters
    ----------
    source : the container.
    subdatasets : its variables as GDAL names them.

    Returns
    -------
    The variables, all of one grid, and a sentence on those that were left out (None where none was).

    Raises
    ------
    SceneError
        When no variable is an image.
    """
    found = [_opened(name) for name in subdatasets if not _is_coordinate(variable_name(name))]
    images = [variable for variable in found if min(variable.rows, variable.cols) > 1]
    if not images:
        names = listed(map(variable_name, subdatasets), _MOST_NAMED)
        raise SceneError(
            f"{source} holds no image among its variables ({names}); give a file with rows, columns and "
            f'bands, or name the variable: NETCDF:"{source}":NAME.'
        )
    named = [variable for variable in images if _IMAGE.search(variable.name)]
    cubes = [variable for variable in named or images if variable.bands > 1]
    among = cubes or named or images
    grids: dict[tuple[int, int], list[Variable]] = {}
    for variable in among:
        grids.setdefault((variable.rows, variable.cols), []).append(variable)
    chosen = max(grids.values(), key=lambda same: sum(variable.size for variable in same))
    rest = [str(variable) for variable in images if variable not in chosen]
    return chosen, _left_out(source, chosen, rest) if rest else None


def _left_out(source: str, chosen: Sequence[Variable], rest: Sequence[str]) -> str:
    taken, others = listed(chosen, _MOST_NAMED), listed(rest, _MOST_NAMED)
    driver = chosen[0].source.partition(":")[0].upper()
    return (
        f"of {source} the image is taken to be {taken}; left out: {others} (to use one, name it: "
        f"'{driver}:\"{source}\":NAME')"
    )


def _opened(source: str) -> Variable:
    with open_dataset(source) as dataset:
        rows, cols = dataset.shape
        placed = not dataset.transform.is_identity or bool(dataset.gcps[0])
        return Variable(source, variable_name(source), dataset.count, rows, cols, placed)


def _is_coordinate(name: str) -> bool:
    *groups, last = name.casefold().split("/")
    about = any(group in _ABOUT for group in groups)
    return about or last in _COORDINATES or last.endswith(_ENDINGS)


def check_axes(dataset: Any, file: str, name: str, lists: Sequence[Sequence[float]]) -> str | None:
    """Refuse a cube whose bands are not its first axis, which GDAL reads as rows or columns.

    Parameters
    ----------
    dataset : the variable, opened with GDAL.
    file, name : the container and the variable in it.
    lists : lists of wavelengths in the container, as ``wavelength_lists`` gives them.

    Returns
    -------
    A sentence of doubt where neither names nor numbers tell the axes apart, None where they do.

    Raises
    ------
    SceneError
        When the axes are known to be others; the message says how to turn them.
    """
    rows, cols = dataset.shape
    axes = re.findall(r"[^{},]+", dataset.tags().get("NETCDF_DIM_EXTRA", ""))
    lengths = {len(values) for values in lists}
    by_name = len(axes) == 1 and axes[0].casefold() in _ROWS_COLS
    by_number = dataset.count not in lengths and bool(lengths & {rows, cols})
    order = "1,0,2" if rows in lengths and not by_name else "2,0,1"
    turn = f"gdalmdimtranslate {file} turned.nc -array name=/{name},transpose=[{order}]"
    read = f"{name} of {file} is read as {counted(dataset.count, 'band')} of {rows} x {cols} pixels"
    if by_name or by_number:
        raise SceneError(
            f"{read}, but its bands are another axis; turn it first, with the axis of the bands in front: {turn}."
        )
    if axes or dataset.count <= min(rows, cols) or not dataset.transform.is_identity:
        return None
    return f"{read}; if its bands are another axis, turn it first: {turn}"


def wavelength_lists(source: str, dataset: Any) -> list[list[float]]:
    """Find the lists of wavelengths that a container holds in arrays or attributes of their own.

    Parameters
    ----------
    source : GDAL's name of a variable of the container.
    dataset : the variable, opened: GDAL gives it the container's attributes.
    """
    container = source[: -len(source.rsplit(":", 1)[-1])]
    root = "//" if container.upper().startswith("HDF5") else "/"
    names = [f"{group}{name}" for group in ("sensor_band_parameters/", "") for name in _LISTS]
    arrays = [_array(f"{container}{root}{name}") for name in names]
    stated = [
        [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]
        for key, text in dataset.tags().items()
        if _LIST_TAG.search(key)
    ]
    return [values for values in (*arrays, *stated) if len(values) > 1]


def _array(source: str) -> list[float]:
    try:
        with open_dataset(source) as dataset:
            if 1 not in dataset.shape or dataset.count != 1:
                return []
            return [float(value) for value in np.ravel(dataset.read(1))]
    except SceneError:
        return []
