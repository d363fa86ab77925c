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

from georaster_dl.core.errors import SceneError
from georaster_dl.core.wording import command_line, counted, listed
from georaster_dl.io.scenes.dataset import open_dataset

__all__ = ["Container", "image_variables"]

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
# What an image is called; the first kind that is there is taken, so reflectance before radiance.
_IMAGES = (
    re.compile(r"reflectance|rfl|refl|boa", re.IGNORECASE),
    re.compile(r"_cube|radiance|toa", re.IGNORECASE),
)
_TABLE = re.compile(r"lut|look_?up|coeff|irradiance", re.IGNORECASE)
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
    """

    source: str
    name: str
    bands: int
    rows: int
    cols: int

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
    names = [name for name in subdatasets if not _is_about(variable_name(name))]
    found = [variable for name in names if (variable := _opened(name)) is not None]
    images = [variable for variable in found if min(variable.rows, variable.cols) > 1]
    if not images:
        held = listed(map(variable_name, subdatasets), _MOST_NAMED)
        raise SceneError(
            f"{source} holds no image among its variables ({held}); give a file with rows, columns and "
            f'bands, or name the variable: NETCDF:"{source}":NAME.'
        )
    cubes = [variable for variable in images if variable.bands > 1]
    among = cubes or images
    for kind in _IMAGES:
        named = [variable for variable in among if kind.search(variable.name)]
        if named:
            among = named
            break
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


def _opened(source: str) -> Variable | None:
    """Open a variable with GDAL; None where GDAL lists it but cannot open it."""
    try:
        with open_dataset(source) as dataset:
            rows, cols = dataset.shape
            return Variable(source, variable_name(source), dataset.count, rows, cols)
    except SceneError:
        return None


def _is_about(name: str) -> bool:
    """Whether a variable describes an image: coordinates, angles, look-up tables."""
    *groups, last = name.casefold().split("/")
    about = any(group in _ABOUT for group in groups)
    return about or last in _COORDINATES or last.endswith(_ENDINGS) or bool(_TABLE.search(last))


@dataclass(frozen=True)
class Container:
    """The container that an opened variable is of.

    Attributes
    ----------
    file : the container.
    root : GDAL's name of its root group; names of arrays follow it.
    variable : name of the variable, None where GDAL does not tell it.
    """

    file: str
    root: str
    variable: str | None

    @classmethod
    def of(cls, dataset: Any, source: str) -> Container | None:
        """Return the container of a dataset that is opened as ``source``; None where it has none."""
        if not dataset.driver.startswith(("netCDF", "HDF5")):
            return None
        driver = dataset.driver[:6].upper().removesuffix("IM")
        file, variable = source, dataset.tags(1).get("NETCDF_VARNAME")
        named, _, rest = source.partition(":")
        if named.upper() == driver and ":" in rest:
            file, variable = rest.rpartition(":")[0].strip('"'), variable_name(source)
        return cls(file, f'{driver}:"{file}":{"//" if driver == "HDF5" else "/"}', variable)

    def wavelengths(self, dataset: Any) -> list[list[float]]:
        """Find the lists of wavelengths that it holds in arrays or attributes of their own.

        Parameters
        ----------
        dataset : the variable, opened: GDAL gives it the container's attributes.
        """
        names = [f"{group}{name}" for group in ("sensor_band_parameters/", "") for name in _LISTS]
        arrays = [_array(f"{self.root}{name}") for name in names]
        stated = [
            [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]
            for key, text in dataset.tags().items()
            if _LIST_TAG.search(key)
        ]
        return [values for values in (*arrays, *stated) if len(values) > 1]

    def check_axes(self, dataset: Any, lists: Sequence[Sequence[float]]) -> str | None:
        """Refuse a cube whose bands are not its first axis, which GDAL reads as rows or columns.

        Parameters
        ----------
        dataset : the variable, opened with GDAL.
        lists : lists of wavelengths in the container.

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
        size = f"{counted(dataset.count, 'band')} of {rows} x {cols} pixels"
        read = f"{self.variable or 'the array'} of {self.file} is read as {size}"
        if by_name or by_number:
            turn = self._turned("1,0,2" if rows in lengths else "2,0,1")
            raise SceneError(
                f"{read}, but its bands are another axis; turn it first, with the axis of the bands in front: {turn}."
            )
        if dataset.transform.a < 0:  # eastings fall along the columns: they are northings
            raise SceneError(
                f"{read}, but its columns lead west: rows and columns seem to be exchanged; turn it first: "
                f"{self._turned('0,2,1')}."
            )
        if axes or dataset.count <= min(rows, cols) or not dataset.transform.is_identity:
            return None
        return (
            f"{read}; if its bands are the last axis, turn it first: {self._turned('2,0,1')}; if they are the "
            f"middle one, with transpose=[1,0,2]"
        )

    def _turned(self, order: str) -> str:
        array = f"name=/{self.variable or 'NAME'},transpose=[{order}]"
        return command_line("gdalmdimtranslate", self.file, "turned.nc", "-array", array)


def _array(source: str) -> list[float]:
    try:
        with open_dataset(source) as dataset:
            if 1 not in dataset.shape or dataset.count != 1:
                return []
            return [float(value) for value in np.ravel(dataset.read(1))]
    except SceneError:
        return []
