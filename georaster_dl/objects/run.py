"""Polygons of the objects of a class map."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import MapClass
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.temporary import working_folder
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.vectors.class_raster import ClassRaster
from georaster_dl.io.vectors.polygons import OutlinedObjects, write_polygons
from georaster_dl.objects.numbering import STRIP_PIXELS, number_objects
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.outlines.outlining import outlines

__all__ = ["Polygonized", "polygons", "write_objects"]


@dataclass(frozen=True)
class Polygonized:
    """Result of a run.

    Attributes
    ----------
    files : that it made.
    polygons : their number.
    seconds : that it took.
    failed : extra outputs that could not be made.
    """

    files: tuple[Path, ...]
    polygons: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def polygons(
    map_path: Path,
    out: Path,
    options: PolygonOptions | None = None,
    *,
    overwrite: bool = False,
    warn: Callable[[str], None] = lambda _message: None,
) -> Polygonized:
    """Write the objects of a class map as polygons.

    Parameters
    ----------
    map_path : raster of one band of classes; nodata makes no polygons.
    out : GeoPackage to make.
    warn : called with every warning.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the map, the options or the output; nothing is left behind.
    """
    begun, options = time.monotonic(), options or PolygonOptions()
    if out.suffix.lower() != ".gpkg":
        raise OptionError(f"The output {out} is no GeoPackage; end its name in .gpkg.")
    protect = [map_path, *filter(None, (options.confidence, options.boundaries))]
    with (
        gdal_environment(),
        Staging(out, overwrite=overwrite, protect=protect, warn=warn) as stage,
    ):
        count = write_objects(map_path, stage.path(out), options, warn=warn)
    return Polygonized((out,), count, time.monotonic() - begun, stage.failed)


def write_objects(
    map_path: Path,
    out: Path,
    options: PolygonOptions,
    *,
    stated: Sequence[MapClass] | None = None,
    strip_pixels: int = STRIP_PIXELS,
    warn: Callable[[str], None] = lambda _message: None,
) -> int:
    """Write the objects of a class map to a GeoPackage that is not there yet; return their number.

    Parameters
    ----------
    stated : classes of the map; None takes those that it names itself.
    strip_pixels : pixels of the map that are read at a time; the result does not depend on it.
    warn : called with every warning.

    Raises
    ------
    GeoRasterError
        As ``polygons`` raises it.
    """
    with working_folder(out.parent) as folder:
        with closing(ClassRaster(map_path)) as source:
            raster = folder / "objects.tif"
            numbered = number_objects(
                source,
                stated_classes(map_path) if stated is None else stated,
                options,
                raster,
                strip_pixels=strip_pixels,
                warn=warn,
            )
        n = len(numbered.classes) - 1
        chunks = outlines(raster, n, options, strip_pixels, numbered.fewest, warn)
        objects = OutlinedObjects(chunks, numbered.classes, numbered.confidence)
        return write_polygons(map_path, out, legend=numbered.legend, objects=objects)
