"""Map of classes on disk, and the probabilities beside it, as cleaning reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.errors import RasterioError
from rasterio.windows import Window

from georaster_dl import __version__
from georaster_dl.cleaning.steps import Probabilities
from georaster_dl.core.disk import require_space, writing
from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.legend import Legend
from georaster_dl.io.blocks import strips
from georaster_dl.io.class_maps import check_class_map
from georaster_dl.io.files.temporary import temporary_name
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.io.labels.read import LabelOptions, read_legend
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import is_same_geobox
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import SceneReader

__all__ = ["ClassMap", "mapped_pixels", "open_class_map", "opened_probabilities"]

_STRIP_PIXELS = 2**22
_LEAST = 1e-4  # probability that floating-point numbers are taken for at least
_STEP = "GEORASTER_DL_CLEANED"
_OF_THE_WRITER = ("CLASS_NAMES", "OVR_RESAMPLING_ALG")


@dataclass(frozen=True)
class ClassMap:
    """A map of classes, described without its pixels.

    Attributes
    ----------
    name : of its band.
    tags : of its file, provenance among them.
    rpcs : rational polynomial coefficients, of a map without transform.
    """

    path: Path
    geobox: Georeference
    legend: Legend
    name: str
    tags: Mapping[str, str]
    rpcs: Any = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, cols."""
        rows, cols = self.geobox.shape
        return rows, cols

    def strips(self) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
        """Read the class values strip by strip: rows, and (rows, cols) values of the legend's type and nodata.

        Raises
        ------
        SceneError
            When the file is damaged.
        """
        with open_dataset(str(self.path)) as dataset:
            for rows in strips(self.shape, _STRIP_PIXELS, dataset.block_shapes[0][0]):
                window = Window.from_slices(rows, slice(0, self.shape[1]))
                try:
                    values = dataset.read(1, window=window)
                    valid = dataset.read_masks(1, window=window) != 0
                except RasterioError as error:
                    raise SceneError(
                        f"{self.path} cannot be read: {str(error.__cause__ or error).rstrip('.')}. The map is damaged; "
                        f"make it again."
                    ) from error
                stored = values.astype(self.legend.dtype)
                stored[~valid] = self.legend.nodata
                yield rows, stored

    def spec(self, cleaned: str = "") -> RasterSpec:
        """Describe a copy of the map, or a map of its classes that was cleaned by these steps."""
        tags = {name: text for name, text in self.tags.items() if name not in _OF_THE_WRITER}
        steps = [text for text in (tags.pop(_STEP, ""), cleaned) if text]
        return RasterSpec(
            [self.name],
            self.legend.dtype,
            self.legend.nodata,
            "mode",
            legend=self.legend,
            tags={
                **tags,
                **({_STEP: "; ".join(steps)} if steps else {}),
                "TIFFTAG_SOFTWARE": f"georaster_dl {__version__}",
            },
            rpcs=self.rpcs,
        )


def open_class_map(path: Path) -> ClassMap:
    """Describe a map of classes that geodl made, or any raster of one band of whole numbers.

    Raises
    ------
    SceneError
        When it cannot be opened.
    OptionError
        When it is no map of classes.
    """
    scene = open_scene(path)
    check_class_map(path)
    with open_dataset(str(path)) as dataset:
        tags, described = dataset.tags(), dataset.descriptions[0]
        dtype, nodata = dataset.dtypes[0], dataset.nodata
    stated = stated_classes(path)
    legend = Legend(tuple(stated)) if stated else None
    if legend is None or (legend.dtype, legend.nodata) != (dtype, nodata):
        legend = read_legend([path], LabelOptions())
        if dtype == "uint8":
            legend = _in_bytes(legend, nodata)
    return ClassMap(path, scene.geobox, legend, described or "class", tags, scene.rpcs)


def _in_bytes(legend: Legend, nodata: float | None) -> Legend:
    """Legend of a raster of bytes: it stays one where a value is free for nodata, its own if possible."""
    free = [value for value in range(256) if value not in legend.values]
    if legend.dtype == "uint8" or not free:
        return legend
    kept = next((value for value in free if value == nodata), free[-1])
    return Legend(legend.classes, byte_nodata=kept)


@contextmanager
def opened_probabilities(path: Path, geobox: Georeference, mapped: str) -> Iterator[Probabilities]:
    """Open the raster of probabilities of a map.

    Parameters
    ----------
    mapped : name of the map, for messages.

    Raises
    ------
    OptionError
        When it is on another grid.
    SceneError
        When it cannot be opened.
    """
    scene = open_scene(path)
    if not is_same_geobox(scene.geobox, geobox):
        raise OptionError(
            f"The probabilities {path} are on another grid than {mapped}; give those that were made with this map."
        )
    plane = scene.planes[0]
    step = plane.scale if plane.dtype in ("uint8", "uint16", "int16") else 0.0
    with SceneReader(scene) as reader:

        def read(rows: slice, cols: slice) -> npt.NDArray[np.float32]:
            stored, valid = reader.read(rows, cols)
            values = scene.to_physical(stored)
            values[:, ~valid] = np.nan
            return values

        yield Probabilities([band.name for band in scene.bands], read, max(_LEAST, step / 2))


@contextmanager
def mapped_pixels(mapped: ClassMap, folder: Path) -> Iterator[npt.NDArray[Any]]:
    """Copy a map's class values (rows, cols) into a hidden file, from which they are mapped into memory.

    Parameters
    ----------
    folder : of the file, which is gone at the end.

    Raises
    ------
    OutputError
        When the disk has no room.
    """
    path = temporary_name(folder)
    dtype = np.dtype(mapped.legend.dtype)
    require_space(path, mapped.shape[0] * mapped.shape[1] * dtype.itemsize)
    try:
        # Written before it is mapped: where a disk fills up, a mapped file kills the process.
        with writing(path), path.open("xb") as file:
            for _rows, values in mapped.strips():
                file.write(np.ascontiguousarray(values).data)
        yield np.memmap(path, dtype, "r+", shape=mapped.shape)
    finally:
        path.unlink(missing_ok=True)
