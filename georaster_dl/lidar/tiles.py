"""Tiles of LiDAR points: LAS, LAZ and COPC, opened by their headers and read in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
from pyproj.exceptions import CRSError

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.wording import counted

__all__ = [
    "GROUND",
    "UNITS_PER_METRE",
    "Points",
    "Tile",
    "TileSet",
    "foreign_errors",
    "import_laspy",
    "open_tiles",
    "read_points",
    "used_points",
]

GROUND = 2
"""Class of ground in the table of ASPRS."""
NOISE = (7, 18)
UNITS_PER_METRE = 10_000
"""Heights are counted in tenths of a millimetre, so that their sums are exact in any order."""
_CHUNK = 1_000_000
_MANY = 1000  # points within a metre would be no survey


@dataclass(frozen=True)
class Tile:
    """One file of points, as its header describes it.

    Attributes
    ----------
    box : left, bottom, right and top in units of the CRS.
    count : points, whether they are used or not.
    """

    path: Path
    box: tuple[float, float, float, float]
    count: int


@dataclass(frozen=True)
class TileSet:
    """Files of points, read as a single cloud.

    Attributes
    ----------
    crs : horizontal CRS of all; None where no file states one.
    unit_m : length of a unit of x and y in metres.
    height_unit_m : length of a unit of z in metres.
    """

    tiles: tuple[Tile, ...]
    crs: pyproj.CRS | None
    unit_m: float
    height_unit_m: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of all."""
        boxes = np.array([tile.box for tile in self.tiles])
        (left, bottom), (right, top) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        return float(left), float(bottom), float(right), float(top)

    @property
    def count(self) -> int:
        """Points of all."""
        return sum(tile.count for tile in self.tiles)


@dataclass(frozen=True)
class Points:
    """Points that are used, in the order of their file.

    Attributes
    ----------
    index : place in the file, from 0.
    x, y : in units of the CRS.
    z : heights in tenths of a millimetre.
    intensity : as stored.
    number, returns : number of the return from 1, and returns of its pulse.
    classes : of ASPRS.
    """

    index: npt.NDArray[np.int64]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    z: npt.NDArray[np.int64]
    intensity: npt.NDArray[np.uint16]
    number: npt.NDArray[np.uint8]
    returns: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.uint8]


def import_laspy() -> Any:
    """Import laspy, which comes with the extra ``lidar``.

    Raises
    ------
    OptionError
        Where laspy or its decompressor is missing.
    """
    try:
        import laspy
        import lazrs  # noqa: F401  laspy finds it by itself
    except ImportError as error:
        raise OptionError(
            f"Points of LAS and LAZ files need {error.name}, which is not installed; install it with "
            f"`pip install 'georaster_dl[lidar]'`."
        ) from error
    return laspy


@contextmanager
def foreign_errors(path: Path) -> Iterator[None]:
    """Turn the errors of laspy on a damaged file into a SceneError."""
    laspy = import_laspy()
    import lazrs

    try:
        yield
    except FileNotFoundError as error:
        raise SceneError(f"{path} does not exist; name a LAS, LAZ or COPC file.") from error
    except IsADirectoryError as error:
        raise SceneError(f"{path} is a folder; name its files, as {path}/*.laz.") from error
    except (laspy.errors.LaspyException, lazrs.LazrsError, OSError, ValueError, KeyError) as error:
        if isinstance(error, SceneError | OptionError):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SceneError(
            f"{path} cannot be read as LAS, LAZ or COPC ({reason}); check that it is whole, or write it anew."
        ) from error


def open_tiles(paths: Sequence[Path], *, crs: str | None, warn: Callable[[str], None]) -> TileSet:
    """Read the headers of files of points.

    Parameters
    ----------
    crs : CRS of files that state none, as ``EPSG:2154``; it takes precedence over theirs.
    warn : called where no CRS is known.

    Raises
    ------
    OptionError
        Where laspy is missing, the CRS is unknown or in degrees, or files have different ones.
    SceneError
        Where a file cannot be read or holds no points.
    """
    laspy = import_laspy()
    _refuse_repeated(paths)
    tiles: list[Tile] = []
    found: dict[str, tuple[Path, pyproj.CRS | None]] = {}
    for path in paths:
        with foreign_errors(path), laspy.open(path) as reader:
            header = reader.header
            of_file = None if crs is not None else _crs_of(header, path)
        if not header.point_count:
            raise SceneError(f"{path} holds no points; leave it out.")
        (left, bottom), (right, top) = header.mins[:2], header.maxs[:2]
        box = (float(left), float(bottom), float(right), float(top))
        tiles.append(Tile(path, box, int(header.point_count)))
        found.setdefault("none" if of_file is None else of_file.to_wkt(), (path, of_file))
    given = _given(crs)
    known = [(path, each) for path, each in found.values() if each is not None]
    for path, each in known[1:]:
        if _horizontal(each) != _horizontal(known[0][1]):
            raise OptionError(
                f"{known[0][0].name} is in {_named(known[0][1])} and {path.name} in {_named(each)}; files are "
                f"read as one only in one CRS: transform them, or make a raster of each."
            )
    if known and len(known) < len(found):
        without = found["none"][0].name
        warn(f"{without} states no CRS and is taken to be in {_named(known[0][1])} as the others")
    if not known and given is None:
        _refuse_degrees(tiles)
        warn(
            "no file states its CRS, so the output has none and metres are assumed; name it with `crs=`"
        )
    return _set_of(tuple(tiles), given if given is not None else known[0][1] if known else None)


def read_points(tiles: TileSet, tile: Tile) -> Iterator[Points]:
    """Read the points of a file in chunks, without noise (classes 7 and 18) and withheld points.

    Raises
    ------
    SceneError
        Where the file is damaged, or holds fewer points than its header says.
    """
    laspy = import_laspy()
    count = 0
    with foreign_errors(tile.path), laspy.open(tile.path) as reader:
        for chunk in reader.chunk_iterator(_CHUNK):
            yield points_of(tiles, chunk, count)
            count += len(chunk)
    if count != tile.count:
        raise SceneError(
            f"{tile.path} ends after {counted(count, 'point')} of {tile.count}; copy it again."
        )


def points_of(tiles: TileSet, chunk: Any, first: int) -> Points:
    """Take the used points of laspy's record, whose first point has this index."""
    used = used_points(chunk)
    z = np.asarray(chunk.Z[used], np.float64) * chunk.scales[2] + chunk.offsets[2]
    number = np.maximum(np.asarray(chunk.return_number[used], np.uint8), 1)
    returns = np.maximum(np.asarray(chunk.number_of_returns[used], np.uint8), number)
    return Points(
        first + np.flatnonzero(used),
        np.asarray(chunk.x[used], np.float64),
        np.asarray(chunk.y[used], np.float64),
        np.rint(z * (tiles.height_unit_m * UNITS_PER_METRE)).astype(np.int64),
        np.asarray(chunk.intensity[used], np.uint16),
        number,
        returns,
        np.asarray(chunk.classification[used], np.uint8),
    )


def used_points(chunk: Any) -> npt.NDArray[np.bool_]:
    """Mark points that are neither noise nor withheld."""
    dropped = np.asarray(chunk.withheld, bool) | np.isin(np.asarray(chunk.classification), NOISE)
    used: npt.NDArray[np.bool_] = ~dropped
    return used


def _refuse_repeated(paths: Sequence[Path]) -> None:
    """Refuse a file that is given twice, whose points would count twice."""
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise OptionError(f"{path} is given twice; name each file once.")
        seen.add(path.resolve())


def _refuse_degrees(tiles: Sequence[Tile]) -> None:
    """Refuse points without a CRS whose extents are those of degrees: a tile of kilometres within a unit."""
    for tile in tiles:
        left, bottom, right, top = tile.box
        on_earth = max(abs(left), abs(right)) <= 360 and max(abs(bottom), abs(top)) <= 90
        if on_earth and max(right - left, top - bottom) < 1 and tile.count >= _MANY:
            raise OptionError(
                f"{tile.path} states no CRS and holds {counted(tile.count, 'point')} within {right - left:.4g} x "
                f"{top - bottom:.4g} units, which look like degrees; transform them into a projected CRS, or name "
                f"theirs with `crs=`."
            )


def _set_of(tiles: tuple[Tile, ...], crs: pyproj.CRS | None) -> TileSet:
    """Complete a set by its units.

    Raises
    ------
    OptionError
        Where the CRS is in degrees.
    """
    if crs is None:
        return TileSet(tiles, None, 1.0, 1.0)
    horizontal = _horizontal(crs)
    if not horizontal.is_projected and not horizontal.is_engineering:
        raise OptionError(
            f"The points are in {_named(horizontal)}, whose units are no lengths; transform them into a projected "
            f"CRS first, for example with PDAL."
        )
    unit = horizontal.axis_info[0].unit_conversion_factor or 1.0
    vertical = [each for each in crs.sub_crs_list if each.is_vertical]
    height_unit = vertical[0].axis_info[0].unit_conversion_factor if vertical else unit
    return TileSet(tiles, horizontal, unit, height_unit or unit)


def _crs_of(header: Any, path: Path) -> pyproj.CRS | None:
    try:
        crs: pyproj.CRS | None = header.parse_crs()
    except CRSError as error:
        raise SceneError(
            f"{path.name} states a CRS that cannot be understood ({' '.join(str(error).split())}); name it with "
            f"`crs=`."
        ) from error
    return crs


def _given(crs: str | None) -> pyproj.CRS | None:
    if crs is None:
        return None
    try:
        return pyproj.CRS.from_user_input(crs)
    except CRSError as error:
        raise OptionError(
            f"`crs={crs!r}` is no CRS ({' '.join(str(error).split())}); write it as EPSG:2154."
        ) from error


def _horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    """Take the horizontal part of a compound CRS."""
    parts = [each for each in crs.sub_crs_list if not each.is_vertical]
    first = parts[0] if parts else crs
    return first.source_crs if first.is_bound and first.source_crs is not None else first


def _named(crs: pyproj.CRS) -> str:
    authority = _horizontal(crs).to_authority()
    return ":".join(authority) if authority else crs.name
