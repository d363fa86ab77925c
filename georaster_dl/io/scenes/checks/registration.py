"""Registration of the files of a scene: the shifts between their contents, from a few windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.checks.shift import pooled_shift
from georaster_dl.io.scenes.scene import Scene, SceneReader

__all__ = ["FileShift", "file_shifts", "registration_warnings", "shift_warnings"]

_SIDE, _SMALL, _ACROSS = (
    256,
    64,
    3,
)  # pixels of a window at most, and in small scenes; windows along each axis
_SMALLEST = 32  # pixels: below, a window has too little texture
_MOST_BANDS = 3  # of a file
_BRIGHTEST = 99.0  # percentile at which gradients are cut, so that single edges do not rule
_LARGE = 1.1  # pixels of the scene's grid; the estimate is good to a tenth


@dataclass(frozen=True)
class FileShift:
    """Displacement of the contents of a scene's file against those of another.

    Attributes
    ----------
    file, against : the files, as the user names them.
    rows, cols : in pixels of the scene's grid, positive where the file's contents are further down or right; None
        where the two have too little texture in common.
    coarseness : pixels of the scene's grid along one of the coarser file.
    """

    file: str
    against: str
    rows: float | None
    cols: float | None
    coarseness: float

    @property
    def pixels(self) -> float | None:
        """Length in pixels of the scene's grid."""
        return (
            None
            if self.rows is None or self.cols is None
            else float(np.hypot(self.rows, self.cols))
        )

    def __str__(self) -> str:
        """Names of the files, and how far they are apart."""
        names = f"{Path(self.file).name} against {Path(self.against).name}"
        if self.pixels is None:
            return f"{names}: shift unknown, too little texture in common"
        return (
            f"{names}: {self.pixels:.1f} pixels off ({self.rows:+.1f} rows, {self.cols:+.1f} cols)"
        )


def file_shifts(scene: Scene) -> list[FileShift]:
    """Estimate the shift of each file of a scene against that with the finest pixels.

    Sizes of gradients are correlated, which images of different sensors have in common more than values. At
    most nine windows of 256 x 256 pixels of three bands a file are read.

    Returns
    -------
    One for each further file; none where the scene is a single file, product or item, or is tiny.

    Raises
    ------
    SceneError
        When a file is damaged or truncated.
    """
    places: dict[str, list[int]] = {}
    for i, plane in enumerate(scene.planes):
        places.setdefault(plane.source, []).append(i)
    if len(places) < 2 or min(scene.shape) < _SMALLEST:
        return []
    sizes = {source: scene.bands[own[0]].gsd_m or np.inf for source, own in places.items()}
    finest = min(sizes, key=lambda source: sizes[source])
    base = places.pop(finest)
    made = []
    for source, own in places.items():
        rows, cols, _windows = pooled_shift(_edges(scene, base, own)) or (None, None, 0)
        coarser = sizes[source] / (scene.resolution_m or np.inf)
        made.append(FileShift(source, finest, rows, cols, coarser if np.isfinite(coarser) else 1.0))
    return made


def registration_warnings(scene: Scene) -> Iterator[str]:
    """Yield a warning of each file of a scene that is more than a pixel off; see ``file_shifts``."""
    yield from shift_warnings(file_shifts(scene))


def shift_warnings(shifts: Sequence[FileShift]) -> Iterator[str]:
    """Yield a warning of each shift that is more than a pixel."""
    for each in shifts:
        # Half a pixel of a coarser file is less than its contents can show.
        if each.pixels is None or each.pixels <= max(_LARGE, each.coarseness / 2):
            continue
        yield (
            f"{each}: a pixel's bands would be of different places; register the files (QGIS: Georeferencer, or gdal_translate "
            f"-a_ullr where all is off alike), or go on where roofs lean in an orthophoto, which looks the same"
        )


def _edges(
    scene: Scene, one: Sequence[int], other: Sequence[int]
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Yield the gradients of some windows of two files, (1, rows, cols) each, NaN where not valid."""
    one, other = one[:_MOST_BANDS], other[:_MOST_BANDS]
    some = scene.select([*one, *other])
    windows = [(rows, cols) for rows in _spread(scene.shape[0]) for cols in _spread(scene.shape[1])]
    with gdal_environment(), SceneReader(some) as reader:
        for rows, cols in windows:
            stored, valid = reader.read(rows, cols)
            values = some.to_physical(stored)
            yield _gradients(values[: len(one)], valid), _gradients(values[len(one) :], valid)


def _spread(length: int) -> list[slice]:
    side = min(_SIDE, max(length // 2, _SMALL), length)
    starts = np.unique(np.linspace(0, length - side, _ACROSS).astype(int))
    return [slice(start, start + side) for start in starts.tolist()]


def _gradients(
    values: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Sum the sizes of the bands' gradients, each in units of its brightest: (1, rows, cols), NaN where not valid."""
    from scipy import ndimage  # a run on a single file starts without it

    total = np.zeros(valid.shape, np.float32)
    inner = ndimage.binary_erosion(valid, np.ones((3, 3)), border_value=1)
    for band in values:
        filled = np.where(valid, band, band[valid].mean() if valid.any() else 0)
        sizes = np.hypot(ndimage.sobel(filled, 0), ndimage.sobel(filled, 1))
        high = np.percentile(sizes[inner], _BRIGHTEST) if inner.any() else 0
        if high > 0:
            total += np.minimum(sizes / high, 1)
    return np.where(inner, total, np.float32(np.nan))[None]
