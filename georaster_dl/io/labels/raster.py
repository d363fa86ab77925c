"""Labels in a raster of any grid, read on a scene's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.geography import Georeference, can_transform, outline
from georaster_dl.core.legend import Color, MapClass
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted
from georaster_dl.io.blocks import strips, windows
from georaster_dl.io.formats.metadata import calibration_of
from georaster_dl.io.labels.class_list import LARGEST_CLASS
from georaster_dl.io.labels.legend_from_labels import FoundClasses
from georaster_dl.io.labels.regrid import Regrid
from georaster_dl.io.labels.styles import raster_style
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import is_same_grid, proj_crs
from georaster_dl.io.vectors.files import corners
from georaster_dl.render.palette import choose_colors

__all__ = [
    "RasterLabels",
    "band_names",
    "found_in_raster",
    "holds_fractions",
    "numbers_of_bands",
    "stated_classes",
    "strips_of_labels",
]

_LARGEST_NUMBER = 1e30  # undeclared fill values lie beyond, 3.4e38 for example
_WINDOW_PIXELS = 2**22

_CLASSES = Resampling.nearest, Resampling.mode
_NUMBERS = Resampling.bilinear, Resampling.average


def found_in_raster(path: Path, ignore: tuple[float, ...]) -> FoundClasses:
    """The classes of a whole raster, read window by window.

    Raises
    ------
    OptionError
        When it holds numbers that are no classes, or no class at all.
    SceneError
        When it cannot be read.
    """
    seen = np.zeros(LARGEST_CLASS + 1, bool)
    with _opened(path) as dataset:
        for rows, cols in windows(dataset.shape, _WINDOW_PIXELS, dataset.block_shapes[0]):
            window = Window.from_slices(rows, cols)
            numbers, known = _stored(dataset, window, ignore)
            seen[_class_values(numbers[known], path)] = True
        names, colors = _stated_names(dataset), _stated_colors(dataset, path)
    values = frozenset(int(value) for value in seen.nonzero()[0])
    if not values:
        raise OptionError(
            f"{path} has no class: every pixel is nodata, masked or ignored; check its nodata value."
        )
    distinct = {colors.get(value) for value in values}
    if len(distinct) < len(values):
        colors = {}  # a table that does not tell the classes apart was not made for them
    return FoundClasses(path, values, names=names, colors=colors)


class RasterLabels:
    """A label raster on a scene's grid. Not to be shared between threads; open one in each.

    Labels on the same grid are read as they are. Others are resampled: classes to the nearest pixel,
    or the most frequent class where label pixels are finer than the scene's; numbers bilinear, or
    their mean.

    Parameters
    ----------
    path : raster; of one band where none is chosen.
    geobox : the scene's grid.
    ignore : stored values that mean unlabelled.
    numbers : whether it holds numbers instead of classes.
    band : of a raster that may have several, from 1.
    single : class of all pixels but those of 0; None takes the stored numbers.

    Raises
    ------
    OptionError
        When it cannot be laid over the scene.
    SceneError
        When it cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        geobox: Georeference,
        ignore: tuple[float, ...],
        *,
        numbers: bool,
        band: int | None = None,
        single: int | None = None,
    ) -> None:
        self._path = path
        self._single = single
        self._ignore = ignore
        self._several, self._band = band is not None, band or 1
        self._dataset: Any = None
        with _opened(path, several=self._several) as dataset:
            self.name = dataset.descriptions[self._band - 1] or path.stem
            scale, offset, _ = calibration_of(dataset, self._band)
            self._scale, self._offset = (scale, offset) if numbers else (1.0, 0.0)
            self._regrid = None
            if not is_same_grid(dataset, geobox):
                self._regrid = _regrid(dataset, geobox, path, _NUMBERS if numbers else _CLASSES)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind: another process opens its own."""
        return self.__dict__ | {"_dataset": None}

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """(rows, cols) class values or numbers, NaN where unlabelled.

        Raises
        ------
        SceneError
            When the file is damaged.
        """
        regrid = self._regrid
        read = self._window(rows, cols) if regrid is None else regrid.read(self._window, rows, cols)
        if self._single is None:
            return read
        return np.where(read > 0, np.float32(self._single), np.float32(np.nan))

    def covers(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """(rows, cols) True within the file's extent."""
        if self._regrid is None:
            return np.ones((rows.stop - rows.start, cols.stop - cols.start), bool)
        return self._regrid.inside(rows, cols)

    def features(self, rows: slice, cols: slice) -> None:
        """A raster has no features."""

    def missed(self) -> tuple[int, int]:
        """A raster has no features."""
        return 0, 0

    def close(self) -> None:
        """Close the file; another read opens it again."""
        if self._dataset is not None:
            self._dataset.close()
            self._dataset = None

    def _window(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """Numbers of a window of the file itself."""
        if self._dataset is None:
            self._dataset = _opened(self._path, several=self._several)
        window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        stored, known = _stored(self._dataset, window, self._ignore, self._band)
        numbers = np.asarray(stored * self._scale + self._offset, np.float32)
        if self._single is not None:
            # Pixels of 0 have a say in what larger pixels are.
            numbers = (numbers != 0).astype(np.float32)
        numbers[~known] = np.nan
        return numbers


def band_names(path: Path) -> tuple[str | None, ...]:
    """Read the descriptions of a label raster's bands, None where a band has none; without a transparency.

    Raises
    ------
    GeoRasterError
        When it cannot be opened, or holds complex numbers.
    """
    with _opened(path, several=True) as dataset:
        pairs = zip(dataset.descriptions, dataset.colorinterp, strict=True)
        return tuple(name or None for name, color in pairs if color != ColorInterp.alpha)


def holds_fractions(path: Path, ignore: tuple[float, ...]) -> bool:
    """Return whether a label raster of one band holds scaled numbers, or floats that are not whole, and so no classes.

    Raises
    ------
    SceneError
        When it cannot be read.
    """
    with _opened(path) as dataset:
        scale, offset, physical = calibration_of(dataset, 1)
    if not physical or (scale, offset) != (1.0, 0.0):
        return physical
    planes = (planes for _, _, planes in numbers_of_bands(path, ignore, [1]))
    return any((plane[np.isfinite(plane)] % 1 != 0).any() for plane in planes)


def numbers_of_bands(
    path: Path, ignore: tuple[float, ...], bands: Sequence[int]
) -> Iterator[tuple[int, int, npt.NDArray[np.float64]]]:
    """Row, col and numbers (bands, rows, cols) of each window of a raster, NaN where unlabelled.

    Raises
    ------
    SceneError
        When it cannot be read.
    """
    with _opened(path, several=True) as dataset:
        scales = [calibration_of(dataset, band)[:2] for band in bands]
        for rows, cols in windows(
            dataset.shape, _WINDOW_PIXELS // len(bands), dataset.block_shapes[0]
        ):
            window = Window.from_slices(rows, cols)
            planes = []
            for band, (scale, offset) in zip(bands, scales, strict=True):
                stored, known = _stored(dataset, window, ignore, band)
                planes.append(np.where(known, stored * scale + offset, np.nan))
            yield rows.start, cols.start, np.stack(planes)


def _opened(path: Path, *, several: bool = False) -> Any:
    dataset = open_dataset(str(path))
    layers = [i for i in dataset.colorinterp if i != ColorInterp.alpha]
    kind = np.dtype(dataset.dtypes[0]).kind if layers else ""
    if (len(layers) != 1 and not (several and layers)) or kind == "c":
        dataset.close()
        what = "complex numbers" if kind == "c" else f"{counted(len(layers), 'band')}"
        raise OptionError(
            f"The labels {path} have {what}, but one band of classes or numbers is expected; give a "
            f"raster with one."
        )
    return dataset


def strips_of_labels(path: Path) -> Iterator[npt.NDArray[np.float32]]:
    """All numbers of a raster as stored, band by band in strips of whole rows that do not depend on its blocks."""
    with _opened(path, several=True) as dataset:
        for rows in strips(dataset.shape, _WINDOW_PIXELS):
            window = Window.from_slices(rows, slice(0, dataset.width))
            for band, color in zip(dataset.indexes, dataset.colorinterp, strict=True):
                if color != ColorInterp.alpha:
                    yield _stored(dataset, window, (), band)[0].astype(np.float32)


def _stored(
    dataset: Any, window: Window, ignore: tuple[float, ...], band: int = 1
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """(rows, cols) numbers as stored, and where they are labels."""
    try:
        numbers = dataset.read(band, window=window)
        known = dataset.read_masks(band, window=window) != 0
    except RasterioError as error:
        raise SceneError(
            f"Rows {window.row_off} to {window.row_off + window.height} of the labels {dataset.name} "
            f"cannot be read: {str(error.__cause__ or error).rstrip('.')}. The file is damaged or "
            f"incomplete; fetch it again."
        ) from error
    if numbers.dtype.kind == "f":
        known &= np.abs(numbers) < _LARGEST_NUMBER  # false for NaN, too
    # A mask replaces the nodata value in GDAL's eyes; here both count.
    nodata = [value for value in dataset.nodatavals[band - 1 : band] if value is not None]
    for number in (*nodata, *ignore):
        known &= numbers != number
    return numbers, known


def _class_values(numbers: npt.NDArray[Any], path: Path) -> npt.NDArray[np.int64]:
    if numbers.dtype.kind == "f" and (broken := numbers % 1 != 0).any():
        raise OptionError(
            f"{path} holds {numbers[broken][0]:g}, but classes are whole numbers; numbers are learnt "
            f"with `task='regression'`, and compared with a map of numbers."
        )
    wrong = (numbers < 0) | (numbers > LARGEST_CLASS)
    if wrong.any():
        value = f"{numbers[wrong][0]:.15g}"
        raise OptionError(
            f"{path} holds the class {value}, but classes are 0..{LARGEST_CLASS}; if it means unlabelled "
            f"give `ignore={value}`, else renumber the raster (in QGIS: 'Reclassify by table'), or give the "
            f"polygons that it was made of: there, larger codes are names."
        )
    return numbers.astype(np.int64)


def stated_classes(path: Path) -> list[MapClass]:
    """Classes that a raster names by itself, those that no pixel has included."""
    with open_dataset(str(path)) as dataset:
        names, colors = _stated_names(dataset), _stated_colors(dataset, path)
    values = sorted(names)
    chosen = choose_colors([names[v] for v in values], [colors.get(v) for v in values])
    return [MapClass(v, names[v], color) for v, color in zip(values, chosen, strict=True)]


def _stated_names(dataset: Any) -> dict[int, str]:
    """Names from the tag that georaster_dl's own maps carry."""
    try:
        stated = json.loads(dataset.tags().get("CLASS_NAMES", "{}"))
        return {int(value): visible(str(name)) for value, name in stated.items() if name}
    except (ValueError, AttributeError, RecursionError):
        return {}  # another program's tag of that name


def _stated_colors(dataset: Any, path: Path) -> dict[int, Color]:
    table = {}
    with suppress(ValueError):  # it has none
        table = {value: color[:3] for value, color in dataset.colormap(1).items()}
    return raster_style(path, table)


def _regrid(
    dataset: Any, geobox: Georeference, path: Path, resamplings: tuple[Resampling, Resampling]
) -> Regrid:
    """From the labels' grid, which must have a place on Earth, to the scene's, which must too."""
    shapes = f"{dataset.height} x {dataset.width} pixels"
    scene = f"{geobox.shape[0]} x {geobox.shape[1]}"
    if isinstance(geobox, GCPGeoBox) or geobox.crs is None:
        raise OptionError(
            f"The scene has no CRS and transform, so labels must have its {scene} pixels at the same place, but "
            f"{path} has {shapes}; give labels of the scene's shape, or georeference both (gdalwarp)."
        )
    theirs = proj_crs(dataset)
    if theirs is None:
        raise OptionError(
            f"{path} has no CRS, and its {shapes} are not the scene's {scene} at the same place; "
            f"georeference the labels (gdal_edit -a_srs, gdalwarp)."
        )
    grid = GeoBox.from_rio(dataset)
    ours = geobox.crs.proj
    if not can_transform(theirs, ours):
        raise OptionError(
            f"{path} has the CRS {theirs.name!r} and the scene {ours.name!r}, and nothing leads from one to the "
            f"other; give both in one CRS."
        )
    regrid = Regrid(grid, dataset.crs.to_wkt(), geobox, geobox.crs.to_wkt(), resamplings)
    if not regrid.overlaps:
        around = outline(geobox, theirs) or geobox.extent.geom
        raise OptionError(
            f"{path} does not overlap the scene: the labels span {corners(grid.boundingbox.bbox)} and "
            f"the scene {corners(around.bounds)} in the labels' CRS; check the labels' CRS and place."
        )
    return regrid
