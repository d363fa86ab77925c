"""A scene: planes from one or many files on one grid, and the handles that read them."""

from __future__ import annotations

import math
import stat
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.gcp import GCPGeoBox
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import SceneError
from georaster_dl.core.geography import can_transform, resolution_m
from georaster_dl.core.process import available_memory
from georaster_dl.core.raster import Georeference, Raster
from georaster_dl.core.text import is_utf8
from georaster_dl.io.blocks import chunks
from georaster_dl.io.environment import allow_ungeoreferenced, gdal_environment
from georaster_dl.io.scenes.grid import is_same_grid, proj_crs, warped
from georaster_dl.io.scenes.quality import MaskRule, QualityBand

__all__ = ["Plane", "Scene", "SceneReader", "check_openable", "open_dataset", "source_files"]

_THINNED_ROWS = 1024
_MOST_BANDS, _LONGEST_SIDE, _MOST_PIXELS = 10_000, 100_000_000, 10**12  # that a file may claim
_LARGEST_MEASUREMENT = 1e30


@dataclass(frozen=True)
class Plane:
    """Source of a scene's band, and the meaning of its stored values.

    Attributes
    ----------
    path, index : GDAL's name of the file, and the band in it, counted from 1.
    dtype : numpy type of the stored values.
    scale, offset : physical value = stored value * scale + offset.
    calibrated : whether the file itself (or the user) says that this gives physical values.
    nodata : number that stands for no measurement, None where none is declared.
    stated : whether scale and offset are the user's word.
    opaque : whether the file's alpha band holds data (near infrared, often) and masks nothing.
    """

    band: Band
    path: str
    index: int
    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    calibrated: bool = False
    nodata: float | None = None
    stated: bool = False
    opaque: bool = False

    @property
    def marked(self) -> float | None:
        """The nodata number as the type can hold it; None where it cannot, so that it marks nothing."""
        if self.nodata is None or self.dtype.startswith("float"):
            return self.nodata
        info = np.iinfo(self.dtype)
        fits = info.min <= self.nodata <= info.max and self.nodata == int(self.nodata)
        return self.nodata if fits else None


@dataclass(frozen=True)
class Scene:
    """A scene that can be read, described without reading a pixel.

    Attributes
    ----------
    name : what the user calls it: a path or an address.
    planes : its bands in order.
    geobox : the grid that every plane is read on.
    rpcs : rational polynomial coefficients, None where the file has none.
    block_rows : rows that the file decodes at once; reads along them cost least.
    named : whether the band names come from the product itself (not from a plain file).
    note : product facts worth telling, for example ``Sentinel-2 L2A, baseline 04.00``.
    alpha : bands that their files mark as transparency; they mask the others and are no data.
    remarks : how the files were understood where they left room for doubt, a sentence each.
    layers : rasters beside the bands that a product offers by name, such as ``SCL``; GDAL's names.
    quality : band whose numbers mask pixels, None where none was asked for.
    """

    name: str
    planes: tuple[Plane, ...]
    geobox: Georeference
    rpcs: Any = None
    block_rows: int = 1
    named: bool = False
    note: str = ""
    alpha: tuple[Plane, ...] = ()
    remarks: tuple[str, ...] = ()
    layers: Mapping[str, str] = field(default_factory=dict)
    quality: QualityBand | None = None

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

    def select(self, indices: Sequence[int]) -> Scene:
        """The scene with these planes, in this order."""
        return replace(self, planes=tuple(self.planes[i] for i in indices))

    def as_stored(self) -> Scene:
        """Return the scene with stored values as physical values, except where the user stated scale and offset."""
        planes = (p if p.stated else replace(p, scale=1.0, offset=0.0) for p in self.planes)
        return replace(self, planes=tuple(planes))

    def to_physical(self, stored: npt.NDArray[Any], *, axis: int = 0) -> npt.NDArray[np.float32]:
        """Convert stored values to physical values, in a new C-contiguous array.

        Parameters
        ----------
        axis : of ``stored`` along which the bands are.
        """
        shape = [1] * stored.ndim
        shape[axis] = -1
        scales, offsets = (each.reshape(shape) for each in self._calibration)
        values = np.array(stored, np.float32, order="C")
        values *= scales
        values += offsets
        return values

    def read(self, rows: slice | None = None, cols: slice | None = None) -> Raster:
        """Physical values of these rows and cols (all by default) as a float32 raster."""
        n_rows, n_cols = self.shape
        rows, cols = rows or slice(0, n_rows), cols or slice(0, n_cols)
        with gdal_environment(), SceneReader(self) as reader:
            stored, valid = reader.read(rows, cols)
        return Raster(self.to_physical(stored), valid, self.geobox[rows, cols], self.bands)

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


def open_dataset(path: str) -> rasterio.DatasetReader:
    """Open a raster with GDAL; a failure becomes a SceneError that says why."""
    check_openable(path)
    try:
        with allow_ungeoreferenced():
            dataset = rasterio.open(path)
    except (RasterioError, OSError, IndexError) as error:
        raise SceneError(
            f"{path} cannot be opened as a raster ({str(error).rstrip('.')}). Fetch it again if it is cut short, or give "
            f"a file that GDAL reads (GeoTIFF, JP2, VRT, ENVI, NetCDF, a .SAFE folder or zip, a STAC item)."
        ) from error
    try:
        _check_claims(dataset, path)
    except SceneError:
        dataset.close()
        raise
    return dataset


def _check_claims(dataset: rasterio.DatasetReader, path: str) -> None:
    """Check that a file's header claims a size that can be processed."""
    if dataset.count > _MOST_BANDS:
        raise SceneError(f"{path} has {dataset.count} bands, but at most {_MOST_BANDS} are read.")
    if max(dataset.shape) > _LONGEST_SIDE or math.prod(dataset.shape) > _MOST_PIXELS:
        raise SceneError(
            f"{path} has {dataset.height} x {dataset.width} pixels, but sides of at most {_LONGEST_SIDE:,} and "
            f"{_MOST_PIXELS:,} pixels in all are read; cut it (gdal_translate -srcwin), or fetch it again."
        )
    blocks = zip(dataset.block_shapes, dataset.dtypes, strict=True)
    largest = max((rows * cols * _bytes(dtype) for (rows, cols), dtype in blocks), default=0)
    if largest > available_memory():
        raise SceneError(
            f"{path} is stored in blocks of {largest / 2**30:.3g} GiB, which do not fit into the memory; store "
            f"it in tiles (gdal_translate -co TILED=YES) where there is more, or fetch it again."
        )


def _bytes(dtype: str) -> int:
    return (
        4 if dtype == "complex_int16" else np.dtype(dtype).itemsize
    )  # NumPy knows no such numbers


def check_openable(path: str) -> None:
    """Check that a path is a name that GDAL takes, and neither a pipe nor a device."""
    if not is_utf8(path) or "\0" in path:
        raise SceneError(f"{path} has a name that is not UTF-8 text, as GDAL needs it; rename it.")
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        mode = stat.S_IFREG  # an address, or GDAL's name of something
    if path.startswith("/vsistdin") or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise SceneError(f"{path} is a pipe or a device; save what comes from it to a file.")


def source_files(scene: Scene) -> list[str]:
    """Every file that the scene's pixels come from, those behind a VRT or a container included."""
    files: dict[str, None] = {}
    paths = [plane.path for plane in scene.planes]
    with gdal_environment():
        for path in dict.fromkeys([*paths, scene.quality.path] if scene.quality else paths):
            with open_dataset(path) as dataset:
                files |= dict.fromkeys([path, *dataset.files])
    return list(files)


class SceneReader:
    """Open handles on a scene's files. Not to be shared between threads; open one in each.

    Planes of one file are read together. A file on another grid is resampled to the scene's:
    bilinear, within its own valid pixels.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._stack = ExitStack()
        self._groups: list[_Group] = []
        self._quality: _Quality | None = None

    def __enter__(self) -> SceneReader:
        """Open the files."""
        paths = dict.fromkeys(plane.path for plane in self._scene.planes)
        try:
            for path in paths:
                positions = [i for i, p in enumerate(self._scene.planes) if p.path == path]
                dataset = self._stack.enter_context(open_dataset(path))
                self._groups += self._groups_of(dataset, positions)
            if self._scene.quality is not None:
                self._quality = self._quality_of(self._scene.quality)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the files."""
        self._stack.close()
        self._groups.clear()

    def _groups_of(self, dataset: Any, positions: list[int]) -> list[_Group]:
        """The planes of one file: together, or by their nodata numbers where they are resampled."""
        planes = self._scene.planes
        mask = _mask_of(dataset, planes[positions[0]])
        if is_same_grid(dataset, self._scene.geobox):
            return [_Group(dataset, positions, planes, mask)]
        if mask is not None:
            mask = _Mask.of_alpha(self._resampled(dataset, None))
        alike: dict[str, list[int]] = {}  # by text, because NaN does not equal itself
        for i in positions:
            alike.setdefault(repr(planes[i].marked), []).append(i)
        groups = []
        for some in alike.values():
            nodata = planes[some[0]].marked
            resampled = self._resampled(dataset, nodata)
            # Where nothing else does, an alpha band tells where the file ends.
            ends = _Mask.of_alpha(resampled) if mask is None and nodata is None else mask
            groups.append(_Group(resampled, some, planes, ends))
        return groups

    def _resampled(
        self, dataset: Any, nodata: float | None, how: Resampling = Resampling.bilinear
    ) -> Any:
        return self._stack.enter_context(_on_grid(dataset, nodata, self._scene.geobox, how))

    def _quality_of(self, band: QualityBand) -> _Quality:
        dataset = self._stack.enter_context(open_dataset(band.path))
        if is_same_grid(dataset, self._scene.geobox):
            return _Quality(dataset, band.index, band.rule, None)
        nearest = self._resampled(dataset, None, Resampling.nearest)
        return _Quality(nearest, band.index, band.rule, _Mask.of_alpha(nearest))

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
        valid = np.ones(out.shape[1:], bool)
        for group in self._groups:
            try:
                group.read(window, out, valid)
            except RasterioError as error:
                raise _unreadable(group.planes[0].path, rows, error) from error
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
        levels = [set(group.dataset.overviews(group.planes[0].index)) for group in self._groups]
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


@dataclass(frozen=True)
class _Mask:
    """Mask whose values above 0 mark valid pixels: an alpha band by its index, else GDAL's mask of a band."""

    dataset: Any
    alpha: int | None

    @classmethod
    def of_alpha(cls, dataset: Any) -> _Mask:
        return cls(dataset, _alpha_of(dataset))

    def read(self, index: int, window: Window, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        if self.alpha is None:
            stored = self.dataset.read_masks(index, window=window, out_shape=shape)
        else:
            stored = self.dataset.read(self.alpha, window=window, out_shape=shape)
        return np.asarray(stored != 0)


@dataclass(frozen=True)
class _Quality:
    """Open quality band; ``ends`` masks its extent where it ends inside the scene."""

    dataset: Any
    index: int
    rule: MaskRule
    ends: _Mask | None

    def clear(self, window: Window, valid: npt.NDArray[np.bool_]) -> None:
        """Clear ``valid`` where the band masks a pixel, or says nothing of it."""
        stored = self.dataset.read(self.index, window=window, out_shape=valid.shape)
        valid &= self.rule.usable(stored)
        if self.ends is not None:
            valid &= self.ends.read(self.index, window, valid.shape)


class _Group:
    """Planes of a file that are read together, and their mask, if any."""

    def __init__(
        self, dataset: Any, positions: list[int], planes: Sequence[Plane], mask: _Mask | None
    ) -> None:
        self.dataset = dataset
        self.positions = positions
        self.planes = [planes[i] for i in positions]
        self.mask = mask

    def read(self, window: Window, out: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> None:
        """Read the window into this file's planes of ``out`` and clear ``valid`` where any is invalid."""
        indexes = [plane.index for plane in self.planes]
        first, last = self.positions[0], self.positions[-1]
        if self.positions == list(range(first, last + 1)):
            self.dataset.read(indexes, window=window, out=out[first : last + 1])
        else:
            shape = (len(indexes), *valid.shape)
            out[self.positions] = self.dataset.read(indexes, window=window, out_shape=shape)
        if self.mask is not None:
            valid &= self.mask.read(indexes[0], window, valid.shape)
        for position, plane in zip(self.positions, self.planes, strict=True):
            _clear_invalid(out[position], plane, valid)


def _unreadable(path: str, rows: slice, error: RasterioError) -> SceneError:
    return SceneError(
        f"Rows {rows.start} to {rows.stop} of {path} cannot be read: {str(error.__cause__ or error).rstrip('.')}. "
        f"The file is damaged or incomplete; fetch it again."
    )


def _clear_invalid(stored: npt.NDArray[Any], plane: Plane, valid: npt.NDArray[np.bool_]) -> None:
    if np.issubdtype(stored.dtype, np.floating):
        # NaN and infinity compare false; so do the fill values of 3.4e38 that files forget to
        # declare, one of which would spoil all that the network sees around it.
        valid &= np.abs(stored) < _LARGEST_MEASUREMENT
    nodata = plane.marked
    if nodata is not None and not np.isnan(nodata):
        valid &= stored != np.dtype(plane.dtype).type(nodata)


def _on_grid(
    dataset: Any, nodata: float | None, geobox: Georeference, how: Resampling
) -> WarpedVRT:
    """The file on a grid; each band within its own valid pixels."""
    if isinstance(geobox, GCPGeoBox) or dataset.crs is None or geobox.crs is None:
        raise SceneError(
            f"{dataset.name} has another grid ({dataset.shape[0]} x {dataset.shape[1]} pixels) than the "
            f"scene ({geobox.shape[0]} x {geobox.shape[1]}) and one of them has no CRS or no transform, so they cannot "
            f"be laid over each other; give files with a CRS and a transform."
        )
    theirs = proj_crs(dataset)
    if theirs is not None and not can_transform(theirs, geobox.crs.proj):
        raise SceneError(
            f"{dataset.name} has the CRS {theirs.name!r} and the scene {geobox.crs.proj.name!r}, and nothing leads "
            f"from one to the other; give files in one CRS."
        )
    return warped(
        dataset,
        geobox,
        how,
        src_nodata=nodata,
        nodata=nodata,
        add_alpha=nodata is None and _alpha_of(dataset) is None,
        # Else what is nodata in some bands only would be mixed with data.
        UNIFIED_SRC_NODATA="NO",
    )


def _mask_of(dataset: Any, plane: Plane) -> _Mask | None:
    """The mask or alpha band of a file that says which pixels of the plane are valid."""
    alpha = _alpha_of(dataset)
    if alpha is not None and not plane.opaque:
        return _Mask(dataset, alpha)  # GDAL's own mask forgets it where there is a nodata value too
    flags = dataset.mask_flag_enums[plane.index - 1]
    stated = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
    return _Mask(dataset, None) if stated else None


def _alpha_of(dataset: Any) -> int | None:
    kinds = list(dataset.colorinterp)
    return kinds.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in kinds else None
