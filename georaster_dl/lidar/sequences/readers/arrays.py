"""Plain binary and text files of numbers, checked: points, labels, poses, calibrations, times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import SceneError

__all__ = [
    "Doubles",
    "pose_matrices",
    "read_bytes",
    "read_calibration",
    "read_labels",
    "read_numbers",
    "read_points",
    "refuse_unmeasured",
]

Doubles = npt.NDArray[np.float64]
_FLOAT = 4  # bytes


def read_points(path: Path, columns: int) -> npt.NDArray[np.float32]:
    """Read points (n, columns) of little-endian float32.

    Raises
    ------
    SceneError
        When the file cannot be read, is empty, ends within a point, or has numbers that are not finite.
    """
    data = read_bytes(path)
    size = _FLOAT * columns
    if not data or len(data) % size:
        raise SceneError(
            f"{path} has {len(data)} bytes, which is no whole number of points of {columns} float32 ({size} bytes each); "
            f"it was cut short or is of another layout. Copy the file again."
        )
    points = np.frombuffer(data, "<f4").reshape(-1, columns).astype(np.float32, copy=False)
    refuse_unmeasured(path, points)
    return points


def refuse_unmeasured(path: Path, points: npt.NDArray[np.floating[Any]]) -> None:
    """Refuse points (n, columns) with NaN or infinite numbers.

    Raises
    ------
    SceneError
        When there are any.
    """
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        raise SceneError(
            f"{path} has {int(bad.sum())} points with NaN or infinite numbers, the first is point {int(bad.argmax())} "
            f"of {len(points)}; remove them, or write 0 as the coordinates of what had no return."
        )


def read_labels(path: Path, dtype: str, points: int) -> npt.NDArray[np.int32]:
    """Read the class of each point (n,): of ``<u4`` the lower half, without the instance.

    Raises
    ------
    SceneError
        When the file cannot be read or has another number of labels than there are points.
    """
    data = read_bytes(path)
    size = np.dtype(dtype).itemsize
    if len(data) != size * points:
        raise SceneError(
            f"{path} has {len(data)} bytes, but the {points} points of its rotation need {size * points} "
            f"({size} for each label); it is of another rotation, or was cut short."
        )
    labels = np.frombuffer(data, dtype).astype(np.uint32)
    return (labels & 0xFFFF).astype(np.int32)


def read_numbers(path: Path, columns: int) -> Doubles:
    """Read a text file of numbers (rows, columns), divided by spaces or commas, of any line ends.

    Raises
    ------
    SceneError
        When a line has another count, is no numbers, or none of them is finite.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(_lines(path), 1):
        if not line or line.startswith("#"):
            continue
        try:
            row = [float(word) for word in line.replace(",", " ").split()]
        except ValueError as error:
            raise SceneError(
                f"{path}, line {number}: {error}; expected {columns} numbers."
            ) from None
        if len(row) != columns or not np.isfinite(row).all():
            raise SceneError(
                f"{path}, line {number}, has {len(row)} numbers, but expected are {columns}, all finite; "
                f"the line begins '{line[:40]}'."
            )
        rows.append(row)
    return np.array(rows, np.float64).reshape(-1, columns)


def read_calibration(path: Path) -> Doubles | None:
    """Read ``Tr`` of a KITTI calibration, LiDAR to camera, as (4, 4); None where the file has none.

    Raises
    ------
    SceneError
        When it has not 12 numbers.
    """
    for line in _lines(path):
        key, colon, values = line.partition(":")
        if colon and key.strip() in {"Tr", "Tr_velo_cam", "Tr_velo_to_cam"}:
            try:
                row = [float(word) for word in values.split()]
            except ValueError as error:
                raise SceneError(f"{path}, {key}: {error}; expected 12 numbers.") from None
            if len(row) != 12 or not np.isfinite(row).all():
                raise SceneError(f"{path}: {key} has {len(row)} numbers, but expected are 12.")
            matrix: Doubles = pose_matrices(np.array([row]))[0]
            return matrix
    return None


def pose_matrices(rows: Doubles) -> Doubles:
    """Complete rows of 12 numbers (n, 12), the upper three rows of a matrix, to (n, 4, 4)."""
    matrices = np.tile(np.eye(4), (len(rows), 1, 1))
    matrices[:, :3] = rows.reshape(-1, 3, 4)
    return matrices


def _lines(path: Path) -> list[str]:
    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    return [line.strip() for line in text.splitlines()]


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises
    ------
    SceneError
        When it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SceneError(f"{path} cannot be read: {error.strerror or error}.") from error
