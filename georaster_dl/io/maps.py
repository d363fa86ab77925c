"""Maps and other rasters between files and memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.io.output.staged_raster import StagedRaster
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.output.view_style import style_as_image, style_by_values
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.io.raster import Raster
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.render.qml import write_class_style

__all__ = ["read_map", "write_cog"]

_IMAGE = 3  # bands


def read_map(path: str | Path, *, longest: int | None = None) -> Raster:
    """Read a raster into memory: a map with its classes, anything else as physical values.

    A map whose pixels hold more than the classes it names is read as values.

    Parameters
    ----------
    longest : pixels of the longer side at most; the raster is then thinned out, for a picture.

    Raises
    ------
    SceneError
        When the file cannot be read.
    """
    scene = open_scene(path)
    if longest is not None and longest < 1:
        raise OptionError(f"A view of {longest} pixels leaves nothing; give at least 1.")
    classes = stated_classes(Path(path)) if len(scene.planes) == 1 else []
    raster = scene.read() if longest is None else scene.thumbnail(longest)
    if not classes:
        return raster
    legend = Legend(tuple(classes))
    if not np.isin(np.unique(raster.array[0][raster.valid]), legend.values).all():
        return raster  # a table of colours that names other numbers than the raster holds
    values = np.where(raster.valid, raster.array, legend.nodata).astype(legend.dtype)
    return Raster(values, raster.valid, raster.geobox, raster.bands, legend)


def write_cog(raster: Raster, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a raster as a Cloud Optimized GeoTIFF with its style for QGIS.

    Parameters
    ----------
    path : file to make (.tif); it appears whole or not at all.
    overwrite : replace the file where it exists.

    Returns
    -------
    The path of the file.

    Raises
    ------
    OutputError
        When the file exists or cannot be written.
    """
    path = Path(path)
    spec, style = _stored(raster)
    rows, cols = (slice(0, length) for length in raster.shape)
    nodata = np.asarray(spec.nodata, spec.dtype)
    pixels = np.where(raster.valid, raster.array, nodata).astype(spec.dtype, copy=False)
    with (
        gdal_environment(),
        Staging(path, overwrite=overwrite) as stage,
        StagedRaster(stage, path, raster.geobox, spec, style) as writer,
    ):
        writer.write(rows, cols, pixels)
        writer.finish()
    return path


def _stored(raster: Raster) -> tuple[RasterSpec, Callable[[Path], None]]:
    """Describe the file of a raster, and choose its style."""
    names = [band.name for band in raster.bands]
    if raster.legend is not None:
        legend = raster.legend
        spec = RasterSpec(names, legend.dtype, legend.nodata, "mode", legend=legend)
        return spec, lambda path: write_class_style(path, legend)
    dtype = "float32" if raster.array.dtype.itemsize <= np.dtype("f4").itemsize else "float64"
    spectral = any(band.wavelength_nm is not None for band in raster.bands)
    bands = raster.bands if spectral else ()
    spec = RasterSpec(names, dtype, np.nan, "average", unit=raster.unit, bands=bands)
    return spec, style_as_image if len(names) >= _IMAGE else style_by_values
