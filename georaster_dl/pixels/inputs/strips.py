"""The valid pixels of a scene as rows of physical values, strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import SceneError
from georaster_dl.core.events import Report, Warned
from georaster_dl.io.blocks import strips
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.checks.calibration import alpha_warning
from georaster_dl.io.scenes.empty_bands import without_empty_bands
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.pixels.inputs.sample import Sample

__all__ = [
    "Strip",
    "no_valid_pixel",
    "read_strips",
    "sample_pixels",
    "strip_rows",
    "usable_bands",
    "warn_doubts",
]

_STRIP_BYTES = 64 * 2**20
_SAMPLE_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Strip:
    """Full-width rows of a scene.

    Attributes
    ----------
    values : (pixels, bands) float32 physical values of the valid pixels, row by row.
    valid : (rows, cols) True where every band holds a measurement.
    """

    rows: slice
    values: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]


def read_strips(scene: Scene) -> Iterator[Strip]:
    """Read a scene strip by strip, in memory that does not depend on its rows.

    Raises
    ------
    SceneError
        When a file is damaged or truncated.
    """
    whole = slice(0, scene.shape[1])
    with gdal_environment(), SceneReader(scene) as reader:
        for rows in strip_rows(scene):
            numbers, valid = reader.read(rows, whole)
            yield Strip(rows, scene.to_physical(numbers[:, valid].T, axis=1), valid)


def sample_pixels(
    scene: Scene, most: int, seed: int, progress: Callable[[int], None]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    """Draw a random sample of the valid pixels of a scene, bounded in pixels and in bytes.

    Parameters
    ----------
    most : pixels.
    progress : called with the pixels that were read since the last call, valid or not.

    Returns
    -------
    values (pixels, bands), and the number of each pixel in the scene, row by row from 0.

    Raises
    ------
    SceneError
        When no pixel is valid, or a file is damaged or truncated.
    """
    sample = Sample(min(most, _SAMPLE_BYTES // (4 * len(scene.planes))), seed)
    for strip in read_strips(scene):
        first = strip.rows.start * scene.shape[1]
        sample.add(strip.values, first + np.flatnonzero(strip.valid))
        progress(strip.valid.size)
    if not sample.seen:
        raise no_valid_pixel(scene)
    values, numbers = sample.columns()
    return values, numbers


def no_valid_pixel(scene: Scene) -> SceneError:
    """Make the error for a scene without a valid pixel."""
    return SceneError(
        f"{scene.name} has no valid pixel: all are nodata, NaN or masked in some band; check `nodata=`, "
        f"`bands=` and `mask=`."
    )


def strip_rows(scene: Scene) -> list[slice]:
    """Cut a scene into strips of about 64 MiB, whole blocks of the file high where these are smaller."""
    # The numbers, those of the valid pixels, and their physical values.
    bytes_per_pixel = len(scene.planes) * (2 * scene.dtype.itemsize + 4)
    return list(strips(scene.shape, _STRIP_BYTES // bytes_per_pixel, scene.block_rows))


def usable_bands(scene: Scene) -> Scene:
    """Leave out bands that the scene marks as bad or that hold no data, as training does."""
    return without_empty_bands(scene.select([i for i, band in enumerate(scene.bands) if band.good]))


def warn_doubts(scene: Scene, report: Report) -> None:
    """Warn of bands that were left out, and of a transparency band that is read as data."""
    for doubt in (*scene.remarks, alpha_warning(scene)):
        if doubt is not None:
            report(Warned(doubt))
