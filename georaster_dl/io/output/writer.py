"""One output raster: blocks in any order go in, a Cloud Optimized GeoTIFF comes out.

Blocks land in an uncompressed tiled GeoTIFF beside the output, because blocks of a compressed file
cannot be filled piece by piece without leaving holes, and because a full disk can only be noticed
for certain there. ``finish`` adds overviews and lets GDAL's COG driver write the real file.

GDAL reports a full disk when the next block is written, and for the last blocks not at all: they
are lost inside ``close`` and read as nodata later. Hence every file is checked after it is closed.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError  # what rasterio.shutil raises has no public name
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from georaster_dl.core.bands import Band
from georaster_dl.core.disk import require_space, writing
from georaster_dl.core.errors import OutputError
from georaster_dl.core.legend import Legend
from georaster_dl.io.environment import allow_ungeoreferenced
from georaster_dl.io.files.temporary import temporary_name
from georaster_dl.io.output.packing import pack
from georaster_dl.io.output.statistics import BandStatistics
from georaster_dl.io.scenes.grid import rasterio_crs
from georaster_dl.render.qml import class_names_tag, color_table

__all__ = ["RasterSpec", "RasterWriter"]

_BLOCK = 512
# A COG block holds all bands. Above this size, showing one band of a 60-band file would decode far
# too much, so the blocks get smaller instead.
_LARGEST_COG_BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True)
class RasterSpec:
    """Description of an output raster, apart from its pixels and its grid.

    Attributes
    ----------
    names : description of each band, in band order; their number is the number of bands.
    dtype : pixel type as numpy names it, for example ``"uint8"`` or ``"float32"``.
    nodata : pixel value that means "no data" in every band; blocks never written read as it.
    overview : ``"mode"`` for classes (an average of class numbers is another class),
        ``"average"`` for quantities.
    legend : classes of a single-band class raster: gives it a colour table and its class names.
    tags : written to the TIFF's default domain, for example provenance.
    scale, offset : value = pixel * scale + offset, the same for all bands.
    unit : unit of the values of all bands; empty where they have none.
    rpcs : rational polynomial coefficients of a scene without an affine transform.
    bands : what each band is: wavelength, modality and unit are written where they are known.
    statistics : whether smallest, largest and mean value and deviation of each band are written.
    packed : whether float32 bands are stored as int16, each with a scale and offset of its own.
    """

    names: Sequence[str]
    dtype: str
    nodata: float | None
    overview: Literal["mode", "average"]
    legend: Legend | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    scale: float | None = None
    offset: float | None = None
    unit: str = ""
    rpcs: Any = None
    bands: Sequence[Band] = ()
    statistics: bool = False
    packed: bool = False

    def __post_init__(self) -> None:
        """Check the description before hours of computing."""
        if self.legend is not None and (len(self.names), self.dtype) != (1, self.legend.dtype):
            raise OutputError(
                f"A class raster with this legend has 1 band of {self.legend.dtype}, but {len(self.names)} "
                f"bands of {self.dtype} were asked for; write quantities without a legend."
            )
        if self.packed and self.dtype != "float32":
            raise OutputError(
                f"Only float32 can be stored as int16, but {self.dtype} was asked for."
            )


class RasterWriter:
    """Writes one GeoTIFF block by block, in memory that does not depend on its size.

    Use it as a context manager: a clean end calls :meth:`finish`, an exception calls
    :meth:`abort`. One thread at a time may write.

    Parameters
    ----------
    path : the file to make; the work file stands beside it until :meth:`finish`.
    geobox : rows, columns, CRS (or None) and affine transform or ground control points.
    spec : bands, type, nodata, style and tags.
    reserved : bytes that other files, begun before this one, will still take of the same disk.

    Attributes
    ----------
    room : bytes of disk that its pixels take at most before they are compressed.

    Raises
    ------
    OutputError
        When the folder cannot be written or has no room for the pixels.
    """

    def __init__(
        self, path: Path, geobox: GeoBox | GCPGeoBox, *, spec: RasterSpec, reserved: int = 0
    ) -> None:
        self._path = Path(path)
        self._work = _work_file(self._path.parent)
        self._spec = spec
        rows, cols = geobox.shape.yx
        self._shape = (len(spec.names), int(rows), int(cols))
        self._dtype = np.dtype(spec.dtype)
        # Which work blocks got a pixel that is not nodata: these must be in the file after closing.
        self._filled = np.zeros((self._shape[0], *(-(-n // _BLOCK) for n in self._shape[1:])), bool)
        # Blocks are whole and overviews add a third. Refusing now beats failing after hours.
        pixels = self._filled.size * _BLOCK**2
        of_pixel = 6 if spec.packed else self._dtype.itemsize * 4 / 3  # float32 beside int16
        self.room = int(pixels * of_pixel)
        require_space(self._path, self.room + reserved)
        self._statistics = BandStatistics(self._shape[0])
        self._profile = _profile(self._shape, geobox, spec)
        self._dataset: Any = None
        try:
            with self._writing():
                self._dataset = _open(self._work, "w", **self._profile)
                _describe(self._dataset, geobox, spec)
        except BaseException:
            self.abort()
            raise

    def __enter__(self) -> RasterWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.abort()
        elif self._dataset is not None:
            self.finish()

    def write(self, rows: slice, cols: slice, block: npt.NDArray[Any]) -> None:
        """Write one block, of any size and at any place.

        Parameters
        ----------
        rows, cols : where the block lies in the raster, inside it.
        block : pixels as (bands, rows, cols), of the raster's dtype.
        """
        if self._dataset is None:
            raise OutputError(
                f"{self._path.name} is finished, but a block came; write before finish()."
            )
        n_bands, n_rows, n_cols = self._shape
        inside = 0 <= rows.start < rows.stop <= n_rows and 0 <= cols.start < cols.stop <= n_cols
        expected = (n_bands, rows.stop - rows.start, cols.stop - cols.start)
        if not inside or block.shape != expected or block.dtype != self._dtype:
            raise OutputError(
                f"A block of {block.dtype} {block.shape} came for rows {rows.start}:{rows.stop} and columns "
                f"{cols.start}:{cols.stop} of {self._path.name}, which is {self._dtype} {self._shape}; "
                f"give (bands, rows, cols) of that type inside the raster."
            )
        window = Window(cols.start, rows.start, expected[2], expected[1])
        with self._writing():
            self._dataset.write(block, window=window)
        self._remember(rows.start, cols.start, block)
        if self._measures:
            self._statistics.add(block)

    def finish(self) -> Path:
        """Convert the work file into a Cloud Optimized GeoTIFF at the writer's path.

        Returns its path, where a complete and checked file now stands.
        Raises OutputError when the disk is full or GDAL fails; nothing is left behind then.
        """
        if self._dataset is None:
            raise OutputError(
                f"{self._path.name} is already finished or aborted; make a new writer."
            )
        try:
            with self._writing():
                dataset, self._dataset = self._dataset, None
                if self._measures:
                    _write_statistics(dataset, self._statistics)
                dataset.close()
                if self._spec.packed:
                    self._pack()
                _add_overviews(self._work, self._spec.overview)
                _check_blocks(self._work, self._filled)
                rasterio.shutil.copy(
                    self._work, self._path, driver="COG", **_cog_options(self._shape, self._spec)
                )
                _check_blocks(self._path, None)
                _check_metadata(self._work, self._path)
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise
        finally:
            self._remove_work()
        return self._path

    def abort(self) -> None:
        """Give up: remove the work file. A raster that is already finished stays."""
        dataset, self._dataset = self._dataset, None
        if dataset is not None:
            dataset.close()
        self._remove_work()

    @property
    def _measures(self) -> bool:
        return self._spec.statistics or self._spec.packed

    def _pack(self) -> None:
        """Replace the float32 work file by an int16 file."""
        _check_blocks(self._work, self._filled)
        floats = _work_file(self._path.parent)
        self._work.rename(floats)
        try:
            pack(floats, self._work, self._statistics, **self._profile)
        finally:
            floats.unlink(missing_ok=True)

    def _remember(self, row: int, col: int, block: npt.NDArray[Any]) -> None:
        data = _is_data(block, self._spec.nodata)
        row_starts, first_row = _block_starts(row, block.shape[1])
        col_starts, first_col = _block_starts(col, block.shape[2])
        by_rows = np.logical_or.reduceat(data, row_starts, axis=1)
        by_block = np.logical_or.reduceat(by_rows, col_starts, axis=2)
        self._filled[
            :, first_row : first_row + len(row_starts), first_col : first_col + len(col_starts)
        ] |= by_block

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self._path, RasterioError, CPLE_BaseError, _DamagedError)

    def _remove_work(self) -> None:
        self._work.unlink(missing_ok=True)
        self._work.with_name(f"{self._work.name}.aux.xml").unlink(missing_ok=True)


def _work_file(folder: Path) -> Path:
    """Name of a new work file; that of the raster may be as long as names can be."""
    name = temporary_name(folder).name
    return folder / f"{name}.tif"


class _DamagedError(Exception):
    """Raised where a file that GDAL closed without an error does not hold the written pixels."""


def _open(path: Path, mode: str = "r", **options: Any) -> Any:
    with allow_ungeoreferenced():
        return rasterio.open(path, mode, **options)


def _profile(
    shape: tuple[int, int, int], geobox: GeoBox | GCPGeoBox, spec: RasterSpec
) -> dict[str, Any]:
    profile = {
        "driver": "GTiff",
        "count": shape[0],
        "height": shape[1],
        "width": shape[2],
        "dtype": spec.dtype,
        "nodata": spec.nodata,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "interleave": "band",
        "SPARSE_OK": True,
        "BIGTIFF": "YES",
        # Without these, the fourth band of a byte raster is taken for transparency.
        "photometric": "MINISBLACK",
        "ALPHA": "NO",
    }
    if isinstance(geobox, GeoBox):
        profile["crs"] = rasterio_crs(geobox)
        if geobox.crs is not None or not geobox.affine.is_identity:
            profile["transform"] = geobox.affine
    return profile


def _describe(dataset: Any, geobox: GeoBox | GCPGeoBox, spec: RasterSpec) -> None:
    """Everything that must be in the TIFF before its pixels are."""
    if isinstance(geobox, GCPGeoBox):
        points: Any = geobox  # its method has no annotations
        with warnings.catch_warnings():  # odc-geo multiplies as affine < 3 wants it
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            dataset.gcps = (points.gcps(), rasterio_crs(geobox) or rasterio.crs.CRS())
    if spec.rpcs is not None:
        dataset.rpcs = spec.rpcs
    dataset.descriptions = tuple(spec.names)
    if spec.scale is not None or spec.offset is not None:
        dataset.scales = (1.0 if spec.scale is None else spec.scale,) * dataset.count
        dataset.offsets = (0.0 if spec.offset is None else spec.offset,) * dataset.count
    if spec.unit:
        dataset.units = (spec.unit,) * dataset.count
    dataset.update_tags(**spec.tags)
    for index, band in enumerate(spec.bands, start=1):
        if band.wavelength_nm is not None:
            width = {} if band.fwhm_nm is None else {"fwhm": f"{band.fwhm_nm:g}"}
            centre = {"wavelength": f"{band.wavelength_nm:g}", "wavelength_units": "Nanometers"}
            dataset.update_tags(index, **centre, **width)
        if band.modality:
            dataset.update_tags(index, modality=band.modality)
    if any(band.unit for band in spec.bands):
        dataset.units = tuple(band.unit for band in spec.bands)
    if spec.legend is not None:
        dataset.update_tags(CLASS_NAMES=class_names_tag(spec.legend))
        dataset.write_colormap(1, color_table(spec.legend))


def _write_statistics(dataset: Any, statistics: BandStatistics) -> None:
    pixels = dataset.height * dataset.width
    for index in dataset.indexes:
        dataset.update_tags(index, **statistics.tags(index - 1, pixels))


def _is_data(block: npt.NDArray[Any], nodata: float | None) -> Any:
    if nodata is None:
        return np.not_equal(block, 0)  # an unwritten block reads as zero then
    if math.isnan(nodata):
        return np.logical_not(np.isnan(block))
    return np.not_equal(block, np.asarray(nodata).astype(block.dtype))


def _block_starts(start: int, length: int) -> tuple[list[int], int]:
    """Where blocks begin inside a run of pixels, counted from the run, and the first block's number."""
    first = start // _BLOCK
    last = (start + length - 1) // _BLOCK
    return [0, *(k * _BLOCK - start for k in range(first + 1, last + 1))], first


def _add_overviews(path: Path, overview: Literal["mode", "average"]) -> None:
    """Add overviews down to one block; on the uncompressed file that is faster than in the COG driver."""
    with (
        rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS", GDAL_TIFF_OVR_BLOCKSIZE=str(_BLOCK)),
        _open(path, "r+") as dataset,
    ):
        longest = max(dataset.shape)
        factors = [2**n for n in range(1, 32) if longest > _BLOCK * 2 ** (n - 1)]
        if factors:
            dataset.build_overviews(factors, Resampling[overview])


def _cog_options(shape: tuple[int, int, int], spec: RasterSpec) -> dict[str, str]:
    block = _BLOCK
    while (
        block > 128
        and block**2 * shape[0] * np.dtype(spec.dtype).itemsize > _LARGEST_COG_BLOCK_BYTES
    ):
        block //= 2
    # Differences of neighbours compress quantities; between class numbers they mean nothing.
    predictor = "NO" if spec.legend is not None else "YES"
    return {
        "COMPRESS": "DEFLATE",  # every GDAL and QGIS reads it; ZSTD gained nothing on class maps
        "LEVEL": "6",
        "PREDICTOR": predictor,
        "OVERVIEWS": "FORCE_USE_EXISTING",
        "OVERVIEW_COMPRESS": "DEFLATE",
        "OVERVIEW_PREDICTOR": predictor,
        "BLOCKSIZE": str(block),
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": "ALL_CPUS",
    }


def _check_blocks(path: Path, needed: npt.NDArray[np.bool_] | None) -> None:
    """Check that the blocks of a closed file are in it, down to the last byte.

    ``needed`` is (bands, block rows, block cols), True where the full resolution must have a block;
    None when it must have all of them. Overviews must always be whole.
    """
    size = path.stat().st_size
    with _open(path) as dataset:
        n_overviews = len(dataset.overviews(1))
        n_bands = 1 if dataset.profile.get("interleave") == "pixel" else dataset.count
        for level in (None, *range(n_overviews)):
            with _open(path, **({} if level is None else {"OVERVIEW_LEVEL": level})) as view:
                (high, wide), (rows, cols) = view.block_shapes[0], view.shape
            grid = (n_bands, -(-rows // high), -(-cols // wide))
            wanted = np.ones(grid, bool) if needed is None or level is not None else needed
            for band, row, col in np.argwhere(wanted):
                place = {
                    "ns": f"BLOCK_OFFSET_{col}_{row}",
                    "dm": "TIFF",
                    "bidx": int(band) + 1,
                    "ovr": level,
                }
                offset = dataset.get_tag_item(**place)
                length = dataset.get_tag_item(**{**place, "ns": f"BLOCK_SIZE_{col}_{row}"})
                if offset is None or length is None or int(offset) + int(length) > size:
                    raise _DamagedError(
                        "the end of the file is missing after it was closed, so the disk is full"
                    )


def _check_metadata(work: Path, cog: Path) -> None:
    """Check that the COG driver carried over everything a reader relies on."""
    with _open(work) as before, _open(cog) as after:
        lost = [
            name
            for name in (
                "crs",
                "transform",
                "gcps",
                "rpcs",
                "nodata",
                "descriptions",
                "scales",
                "offsets",
                "units",
                "dtypes",
            )
            if _plain(getattr(before, name)) != _plain(getattr(after, name))
        ]
        for index in (0, *before.indexes):  # 0: of the file
            kept = after.tags(index)
            lost += [f"tag {k}" for k, value in before.tags(index).items() if kept.get(k) != value]
        if before.colorinterp != after.colorinterp:
            lost.append("color interpretation")
    if lost:
        raise _DamagedError(
            f"GDAL {rasterio.__gdal_version__} did not carry over {', '.join(lost)}"
        )


def _plain(value: Any) -> str:
    """Return comparable text, in which NaN equals NaN."""
    if isinstance(value, tuple) and value and isinstance(value[0], list):
        return str([(p.row, p.col, p.x, p.y, p.z) for p in value[0]]) + str(value[1])
    return str(value.to_gdal() if hasattr(value, "to_gdal") else value)
