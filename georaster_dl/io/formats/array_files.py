"""Arrays of NumPy and MATLAB in files, which state neither axes nor place: no rasters, but soon converted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from georaster_dl.core.errors import SceneError
from georaster_dl.core.wording import listed

__all__ = ["refuse_array_file"]

_OLD_MATLAB = b"MATLAB 5.0"  # version 7.3 is HDF5


def refuse_array_file(path: Path) -> None:
    """Stop at a ``.npy`` file or a MATLAB file of version 5, and say how it becomes a GeoTIFF.

    Raises
    ------
    SceneError
        With the Python code that converts the largest array of the file.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        arrays = {"": np.load(path, mmap_mode="r").shape}
        reading = ("import numpy, rasterio", f"numpy.load({path.name!r})")
    elif suffix == ".mat" and path.is_file() and _begins_with(path, _OLD_MATLAB):
        from scipy.io import whosmat

        arrays = {name: shape for name, shape, _ in whosmat(path)}
        name = max(arrays, key=lambda each: np.prod(arrays[each]), default="NAME")
        reading = ("import rasterio, scipy.io", f"scipy.io.loadmat({path.name!r})[{name!r}]")
    else:
        return
    found = listed(f"{name} {shape}".strip() for name, shape in arrays.items())
    raise SceneError(
        f"{path} holds arrays ({found}) that state neither which axis is the bands nor where they lie; convert it in Python: "
        f"{reading[0]}; a = {reading[1]}.transpose(2, 0, 1); f = rasterio.open({path.stem + '.tif'!r}, 'w', "
        f"driver='GTiff', count=a.shape[0], height=a.shape[1], width=a.shape[2], dtype=a.dtype); f.write(a); f.close() "
        f"(without .transpose(2, 0, 1) if the bands come first)."
    )


def _begins_with(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(mark)) == mark
