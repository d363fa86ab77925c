"""Files of NumPy and MATLAB, whose arrays state neither axes nor place and so are no rasters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from georaster_dl.core.errors import SceneError
from georaster_dl.core.wording import listed

__all__ = ["refuse_array_file"]

_NUMPY, _MATLAB_5, _MATLAB_7_3 = b"\x93NUMPY", b"MATLAB 5.0", b"MATLAB 7.3"
_CUBE = (2, 0, 1)  # of axes rows, cols, bands


def refuse_array_file(path: Path) -> None:
    """Stop at a ``.npy`` or ``.mat`` file, and say how it becomes a GeoTIFF.

    Raises
    ------
    SceneError
        With the Python code that converts the largest array of the file.
    """
    if path.suffix.lower() not in (".npy", ".mat") or not path.is_file():
        return
    with path.open("rb") as file:
        mark = file.read(10)
    try:
        if mark.startswith(_NUMPY):
            shape = np.load(path, mmap_mode="r").shape
            _refuse(path, str(shape), "numpy", f"numpy.load({path.name!r})", _CUBE)
        if mark == _MATLAB_5:
            shapes = _matlab_arrays(path)
            found = listed(f"{name} {shape}" for name, shape in shapes.items())
            largest = max(shapes, key=lambda name: np.prod(shapes[name]))
            code = f"scipy.io.loadmat({path.name!r})[{largest!r}]"
            _refuse(path, found, "scipy.io", code, _CUBE)
    except ValueError:
        return  # damaged: opening it says so
    if mark == _MATLAB_7_3:  # HDF5, with MATLAB's axes in reverse
        _refuse(path, "MATLAB 7.3", "h5py", f"h5py.File({path.name!r})['NAME'][:]", (0, 2, 1))


def _matlab_arrays(path: Path) -> Mapping[str, tuple[int, ...]]:
    from scipy.io import whosmat

    return {name: shape for name, shape, _ in whosmat(path)}


def _refuse(path: Path, found: str, module: str, code: str, axes: tuple[int, ...]) -> None:
    raise SceneError(
        f"{path} holds arrays ({found}) that state neither which axis is the bands nor where they lie; convert it in "
        f"Python: import {module}, rasterio; a = {code}.transpose{axes}; f = rasterio.open({path.stem + '.tif'!r}, 'w', "
        f"driver='GTiff', count=a.shape[0], height=a.shape[1], width=a.shape[2], dtype=a.dtype); f.write(a); f.close() "
        f"(other axes than rows, cols, bands need another transpose)."
    )
