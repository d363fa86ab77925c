"""Scenes: planes from one or many files on one grid, and readers of their windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from georaster_dl.core.bands import MOST_NAMED, Band
from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.geography import Georeference, crs_name, resolution_m
from georaster_dl.core.process import usable_cpus
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.blocks import chunks
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.raster import Raster
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import is_same_grid
from georaster_dl.io.scenes.memory import PixelSource, PlaneSource, SourceGroup
from georaster_dl.io.scenes.planes import (
    Plane,
    PlaneGroup,
    PlaneMask,
    QualityMask,
    mask_of,
    on_grid,
    resampling_of,
)
from georaster_dl.io.scenes.quality import QualityBand

if TYPE_CHECKING:
    from xarray import DataArray

__all__ = ["Scene", "SceneReader", "source_files", "window_slice"]

_THINNED_ROWS = 1024


@dataclass(frozen=True, repr=False)
class Scene:
    """A scene that can be read, described without reading a pixel.

    Attributes
    ----------
    name : what the user calls it: a path or an address.
    planes : its bands in order.
    geobox : the grid that every plane is read on.
    rpcs : rational polynomial coefficients, None where the file has none.
    block_rows, block_cols : rows and columns that the file decodes at once; reads of whole blocks
        cost least.
    named : whether the band names come from the product itself (not from a plain file).
    note : product facts worth telling, for example ``Sentinel-2 L2A, baseline 04.00``.
    alpha : bands that their files mark as transparency; they mask the others and are no data.
    remarks : how the files were understood where they left room for doubt, a sentence each.
    layers : rasters beside the bands that a product offers by name, such as ``SCL``; GDAL's names.
    quality : band whose numbers mask pixels, None where none was asked for.
    memory : pixels of all planes, where they are no raster file: an array, or a stack of dated scenes.
    """

    name: str
    planes: tuple[Plane, ...]
    geobox: Georeference
    rpcs: Any = None
    block_rows: int = 1
    block_cols: int = 1
    named: bool = False
    note: str = ""
    alpha: tuple[Plane, ...] = ()
    remarks: tuple[str, ...] = ()
    layers: Mapping[str, str] = field(default_factory=dict)
    quality: QualityBand | None = None
    memory: PixelSource | None = None

    @property
    def bands(self) -> tuple[Band, ...]:
        """Band of each plane."""
        return tuple(plane.band for plane in self.planes)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, cols."""
        rows, cols = self.geobox.shape
        return rows, cols

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type that holds the stored values of every plane."""
        return np.result_type(*(plane.dtype for plane in self.planes))

    @property
    def resolution_m(self) -> float | None:
        """Side of a pixel in metres, None where the CRS does not say."""
        return resolution_m(self.geobox)

    @cached_property
    def _calibration(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Scales and offsets, (bands,) each."""
        scales = np.array([plane.scale for plane in self.planes], np.float32)
        return scales, np.array([plane.offset for plane in self.planes], np.float32)

    def __repr__(self) -> str:
        """Name, size, bands and CRS, in one line."""
        names = listed([band.name for band in self.bands], MOST_NAMED)
        size = f"{self.shape[0]} x {self.shape[1]} pixels"
        parts = [size, f"{counted(len(self.bands), 'band')} ({names})", crs_name(self.geobox.crs)]
        if self.resolution_m is not None:
            parts.append(f"{self.resolution_m:.4g} m")
        return f"<Scene {self.name}: {', '.join(parts)}>"

    def open_pixels(self, path: str) -> Any:
        """Open the file of a plane, or the array that the scene is made of.

        Raises
        ------
        SceneError
            When the file cannot be opened.
        """
        in_memory = self.memory is not None and path == self.memory.path
        return self.memory.opened() if in_memory and self.memory else open_dataset(path)

    def select(self, indices: Sequence[int]) -> Scene:
        """The scene with these planes, in this order."""
        return replace(self, planes=tuple(self.planes[i] for i in indices))

    def as_stored(self) -> Scene:
        """Return the scene with stored values as physical values.

        Where the user states scale and offset they hold, and heights and backscatter keep their unit: they are
        beside images whose numbers mean nothing.
        """
        planes = (
            p if p.stated or _has_unit(p) else replace(p, scale=1.0, offset=0.0)
            for p in self.planes
        )
        return replace(self, planes=tuple(planes))

    def to_physical(
        self,
        stored: npt.NDArray[Any],
        *,
        axis: int = 0,
        out: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Convert stored values to physical values, in a new C-contiguous array or in ``out``.

        Parameters
        ----------
        axis : of ``stored`` along which the bands are.
        """
        shape = [1] * stored.ndim
        shape[axis] = -1
        scales, offsets = (each.reshape(shape) for each in self._calibration)
        values = np.empty(stored.shape, np.float32) if out is None else out
        values[...] = stored
        values *= scales
        values += offsets
        return values

    def read(self, rows: slice | None = None, cols: slice | None = None) -> Raster:
        """Read physical values of these rows and cols (all by default) as a float32 raster.

        Raises
        ------
        OptionError
            When a slice is empty, has a step, or leads out of the scene.
        SceneError
            When the file is damaged or truncated.
        """
        rows, cols = (
            window_slice("rows", rows, self.shape[0]),
            window_slice("cols", cols, self.shape[1]),
        )
        with gdal_environment(), SceneReader(self) as reader:
            stored, valid = reader.read(rows, cols)
        return Raster(self.to_physical(stored), valid, self.geobox[rows, cols], self.bands)

    def to_xarray(self) -> DataArray:
        """Give a DataArray of physical values (band, y, x) whose windows are read when they are asked for.

        float32, NaN where there is no measurement, with the CRS (``.odc``, ``.rio``), the bands' names and
        wavelengths. ``.chunk(...)`` makes it an array of Dask.

        Raises
        ------
        OptionError
            When xarray is not installed.
        """
        from georaster_dl.io.xarrays import lazy_dataarray

        def read(indexes: Sequence[int], rows: slice, cols: slice) -> npt.NDArray[np.float32]:
            raster = self.select(indexes).read(rows, cols)
            values: npt.NDArray[np.float32] = np.where(
                raster.valid, raster.array, np.float32(np.nan)
            )
            return values

        return lazy_dataarray(read, self.geobox, self.bands)

    def read_small(
        self, longest: int | None = None, shape: tuple[int, int] | None = None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Read stored values (bands, rows, cols) and valid mask of the whole scene at another size.

        GDAL takes them from the best overview; without overviews it reads every pixel.

        Parameters
        ----------
        longest : pixels of the longer side at most, where no shape is given.
        """
        if shape is None:
            step = max(1.0, max(self.shape) / (longest or max(self.shape)))
            shape = (max(round(self.shape[0] / step), 1), max(round(self.shape[1] / step), 1))
        out = np.empty((len(self.planes), *shape), self.dtype)
        with gdal_environment(), SceneReader(self) as reader:
            return reader.read(slice(0, self.shape[0]), slice(0, self.shape[1]), out=out)

    def thumbnail(self, longest: int) -> Raster:
        """Physical values of the whole scene, thinned out to at most ``longest`` pixels a side."""
        with gdal_environment(), SceneReader(self) as reader:
            stored, valid = reader.read_thinned(-(-max(self.shape) // longest))
        geobox = self.geobox.zoom_to(valid.shape)
        return Raster(self.to_physical(stored), valid, geobox, self.bands)


def _has_unit(plane: Plane) -> bool:
    return plane.calibrated and plane.band.modality in ("radar", "lidar", "terrain")


def window_slice(name: str, asked: object, length: int) -> slice:
    """Check a slice along an axis, and give it with both ends counted from 0."""
    if asked is None:
        return slice(0, length)
    if not isinstance(asked, slice) or asked.step not in (None, 1):
        raise OptionError(
            f"`{name}={asked}` is no range; give a slice without a step, as slice(0, 512)."
        )
    start, stop, _ = asked.indices(length)
    if (asked.stop or 0) > length or start >= stop:
        raise OptionError(
            f"`{name}={asked}` leads out of the scene, or is empty; it has {length} {name}, from 0 to {length - 1}."
        )
    return slice(start, stop)


def source_files(scene: Scene) -> list[str]:
    """Every file that the scene's pixels come from, those behind a VRT or a container included."""
    files: dict[str, None] = {}
    paths = dict.fromkeys(plane.path for plane in scene.planes)
    if scene.quality is not None:
        paths[scene.quality.path] = None
    if scene.memory is not None:
        paths.pop(scene.memory.path, None)
        files |= dict.fromkeys(scene.memory.files)
    with gdal_environment():
        for path in paths:
            with scene.open_pixels(path) as dataset:
                files |= dict.fromkeys([path, *dataset.files])
    return list(files)


class SceneReader:
    """Open handles on a scene's files. Not to be shared between threads; open one in each.

    Planes of one file are read together. A file on another grid is resampled to the scene's, within its own
    valid pixels: bilinear, or the average of the pixels that one of the scene covers.

    Parameters
    ----------
    threads : at most, in which files are decoded; None takes one for each CPU.
    """

    def __init__(self, scene: Scene, threads: int | None = None) -> None:
        self._scene = scene
        self._most_threads = usable_cpus() if threads is None else threads
        self._stack = ExitStack()
        self._files: list[Sequence[PlaneGroup | SourceGroup]] = []
        self._pool: ThreadPoolExecutor | None = None
        self._quality: QualityMask | None = None

    def __enter__(self) -> SceneReader:
        """Open the files."""
        paths = dict.fromkeys(plane.path for plane in self._scene.planes)
        try:
            for path in paths:
                positions = [i for i, p in enumerate(self._scene.planes) if p.path == path]
                dataset = self._stack.enter_context(self._scene.open_pixels(path))
                self._files.append(self._groups_of(dataset, positions))
            threads = min(len(self._files), self._most_threads)
            if threads > 1:
                self._pool = self._stack.enter_context(ThreadPoolExecutor(threads))
            if self._scene.quality is not None:
                self._quality = self._quality_of(self._scene.quality)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the files."""
        self._stack.close()
        self._files.clear()

    def _groups_of(self, dataset: Any, positions: list[int]) -> Sequence[PlaneGroup | SourceGroup]:
        """The planes of one file: together, or by their nodata numbers where they are resampled."""
        planes = self._scene.planes
        if isinstance(dataset, PlaneSource):
            return [SourceGroup(dataset, [planes[i] for i in positions])]
        mask = mask_of(dataset, planes[positions[0]])
        if is_same_grid(dataset, self._scene.geobox):
            return [PlaneGroup(dataset, positions, planes, mask)]
        if mask is not None:
            mask = PlaneMask.of_alpha(self._resampled(dataset, None))
        alike: dict[str, list[int]] = {}  # by text, because NaN does not equal itself
        for i in positions:
            alike.setdefault(repr(planes[i].marked), []).append(i)
        groups = []
        for some in alike.values():
            nodata = planes[some[0]].marked
            resampled = self._resampled(dataset, nodata)
            # Where nothing else does, an alpha band tells where the file ends.
            ends = PlaneMask.of_alpha(resampled) if mask is None and nodata is None else mask
            groups.append(PlaneGroup(resampled, some, planes, ends))
        return groups

    def _resampled(self, dataset: Any, nodata: float | None, how: Resampling | None = None) -> Any:
        how = resampling_of(dataset, self._scene.geobox) if how is None else how
        return self._stack.enter_context(on_grid(dataset, nodata, self._scene.geobox, how))

    def _quality_of(self, band: QualityBand) -> QualityMask:
        dataset = self._stack.enter_context(self._scene.open_pixels(band.path))
        if is_same_grid(dataset, self._scene.geobox):
            return QualityMask(dataset, band, None)
        nearest = self._resampled(dataset, None, Resampling.nearest)
        return QualityMask(nearest, band, PlaneMask.of_alpha(nearest))

    def read(
        self, rows: slice, cols: slice, out: npt.NDArray[Any] | None = None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Stored values and valid mask of a window inside the scene.

        Parameters
        ----------
        out : array (bands, rows, cols) to read into; made where None. One of another shape than
            the window's gets a thinned-out (or repeated) view of it.

        Returns
        -------
        (bands, rows, cols) stored values, and (rows, cols) True where every plane is valid.

        Raises
        ------
        SceneError
            When the file is damaged or truncated.
        """
        window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        if out is None:
            shape = (len(self._scene.planes), window.height, window.width)
            out = np.empty(shape, self._scene.dtype)
        # Files are decoded in threads of their own: of JPEG 2000 that is most of the time of a run.
        every: Iterable[npt.NDArray[np.bool_]]
        if self._pool is None:
            every = (_read_file(groups, window, out) for groups in self._files)
        else:
            read = partial(_read_in_thread, window=window, out=out)
            every = self._pool.map(read, self._files)
        valid = np.ones(out.shape[1:], bool)
        for of_file in every:
            valid &= of_file
        if self._quality is not None:
            try:
                self._quality.clear(window, valid)
            except RasterioError as error:
                raise _unreadable(str(self._quality.dataset.name), rows, error) from error
        return out, valid

    def read_thinned(self, factor: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Stored values and valid mask of the whole scene, about every ``factor``-th pixel.

        From overviews where every file has a fitting one. Otherwise strip by strip at full
        resolution: GDAL's own thinning decodes a JP2 anew for every line.
        """
        rows, cols = self._scene.shape
        everything = slice(0, rows), slice(0, cols)
        groups = chain.from_iterable(self._files)
        levels = [group.overviews() for group in groups]
        fitting = [level for level in set.intersection(*levels) if level >= factor > 1]
        if factor == 1 or fitting:
            level = min(fitting, default=1)
            shape = (len(self._scene.planes), -(-rows // level), -(-cols // level))
            return self.read(*everything, out=np.empty(shape, self._scene.dtype))
        strips = [
            tuple(
                a[..., ::factor, ::factor].copy()  # a view would keep the strip in memory
                for a in self.read(strip, everything[1])
            )
            for strip in chunks(rows, _THINNED_ROWS // factor * factor or factor)
        ]
        stored, valid = zip(*strips, strict=True)
        return np.concatenate(stored, axis=1), np.concatenate(valid, axis=0)


def _read_file(
    groups: Sequence[PlaneGroup | SourceGroup], window: Window, out: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    """Read a window of a file's planes into ``out``; (rows, cols) True where all are valid."""
    valid = np.ones(out.shape[1:], bool)
    for group in groups:
        try:
            group.read(window, out, valid)
        except RasterioError as error:
            rows = slice(window.row_off, window.row_off + window.height)
            raise _unreadable(group.planes[0].path, rows, error) from error
    return valid


def _read_in_thread(
    groups: Sequence[PlaneGroup | SourceGroup], window: Window, out: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    """Read a window of a file with GDAL's settings, which each thread has for itself."""
    with gdal_environment():
        return _read_file(groups, window, out)


def _unreadable(path: str, rows: slice, error: RasterioError) -> SceneError:
    return SceneError(
        f"Rows {rows.start} to {rows.stop} of {path} cannot be read: {str(error.__cause__ or error).rstrip('.')}. "
        f"The file is damaged or incomplete; fetch it again."
    )
