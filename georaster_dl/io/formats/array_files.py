"""Files of NumPy and MATLAB, whose arrays state neither axes nor place and so are no rasters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from georaster_dl.core.errors import SceneError
from georaster_dl.core.wording import listed

__all__ = ["refuse_array_file"]

_NUMPY, _MATLAB_5, _MATLAB_7_3 = b"\x93NUMPY", b"MATLAB 5.0", b"MATLAB 7.3"
_CUBE = (2, 0, 1)  # of axes rows, cols, bands
_OTHER = "other axes than bands, rows, cols after it need another transpose"


def refuse_array_file(path: Path, n_bands: int | None = None) -> None:
    """Stop at a ``.npy`` or ``.mat`` file, and say how it becomes a GeoTIFF.

    Parameters
    ----------
    n_bands : number of the bands where wavelengths are stated: the only axis as long as that is theirs.

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
            _refuse(path, str(shape), "numpy", f"numpy.load({path.name!r})", shape, n_bands)
        if mark == _MATLAB_5:
            shapes = _matlab_arrays(path)
            found = listed(f"{name} {shape}" for name, shape in shapes.items())
            largest = max(shapes, key=lambda name: np.prod(shapes[name]))
            code = f"scipy.io.loadmat({path.name!r})[{largest!r}]"
            _refuse(path, found, "scipy.io", code, shapes[largest], n_bands)
    except ValueError:
        return  # damaged: opening it says so
    if mark == _MATLAB_7_3:  # HDF5, with MATLAB's axes in reverse
        _stop(
            path,
            "MATLAB 7.3",
            "h5py",
            f"h5py.File({path.name!r})['NAME'][:].transpose(0, 2, 1)",
            _OTHER,
        )


def _refuse(
    path: Path, found: str, module: str, code: str, shape: tuple[int, ...], n_bands: int | None
) -> None:
    if len(shape) == 2:
        _stop(path, found, module, *_from_columns(code, shape, n_bands))
    _stop(path, found, module, f"{code}.transpose{_axes(shape, n_bands)}", _OTHER)


def _from_columns(code: str, shape: tuple[int, ...], n_bands: int | None) -> tuple[str, str, str]:
    """Code that makes a cube of an array of bands and pixels, and how to correct it."""
    bands = shape.index(n_bands) if n_bands in shape else int(np.argmin(shape))
    pixels = shape[1 - bands]
    rows = next((r for r in range(math.isqrt(pixels), 0, -1) if pixels % r == 0), 1)
    turned = code if bands == 0 else f"{code}.T"
    sides = f"rows, cols = {rows}, {pixels // rows}; "
    return (
        f"{turned}.reshape({shape[bands]}, cols, rows).transpose(0, 2, 1)",
        f"other bands, rows or cols than guessed need other numbers; pixels that follow along rows, not along columns as "
        f"MATLAB's do, need .reshape({shape[bands]}, rows, cols) alone",
        sides,
    )


def _axes(shape: tuple[int, ...], n_bands: int | None) -> tuple[int, ...]:
    """Order of the axes that puts bands first: those of the stated number, else the last."""
    if len(shape) != 3 or n_bands is None or shape.count(n_bands) != 1:
        return _CUBE
    bands = shape.index(n_bands)
    return bands, *(axis for axis in range(3) if axis != bands)


def _matlab_arrays(path: Path) -> Mapping[str, tuple[int, ...]]:
    from scipy.io import whosmat

    return {name: shape for name, shape, _ in whosmat(path)}


def _stop(path: Path, found: str, module: str, code: str, advice: str, sides: str = "") -> None:
    raise SceneError(
        f"{path} holds arrays ({found}) that state neither which axis is the bands nor where they lie; convert it in "
        f"Python: import {module}, rasterio; {sides}a = {code}; f = rasterio.open({path.stem + '.tif'!r}, 'w', "
        f"driver='GTiff', count=a.shape[0], height=a.shape[1], width=a.shape[2], dtype=a.dtype); f.write(a); f.close() "
        f"({advice}; state wavelengths with `wavelengths=`)."
    )
