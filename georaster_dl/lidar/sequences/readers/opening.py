"""Sequences recognised by their files."""

from __future__ import annotations

from pathlib import Path

from georaster_dl.core.errors import SceneError
from georaster_dl.lidar.sequences.readers import helixnet, kitti
from georaster_dl.lidar.sequences.readers.las import open_las
from georaster_dl.lidar.sequences.readers.scans import find_scans
from georaster_dl.lidar.sequences.readers.sequence import Sequence

__all__ = ["open_sequence"]

_LAS = {".las", ".laz"}


def open_sequence(path: Path | str) -> Sequence:
    """Open a sequence of a rotating LiDAR: a folder, or a file of one rotation or, with times, of several.

    Layouts are recognised by their files:

    - HelixNet: ``velodyne/*.bin`` of nine float32 (x y z of the world, r theta z of the sensor, intensity, fiber, time) and
      ``labels/*.bin`` of bytes.
    - KITTI: ``velodyne/*.bin`` of four float32 (x y z intensity), ``labels/*.label`` of 32 bits (instance above class),
      ``poses.txt`` and ``calib.txt`` of the camera, ``times.txt``. RELLIS-3D's Ouster OS1 is the same, of 2048 x 64 points.
    - LAS and LAZ with GPS times, of one or more rotations a file; where points are georeferenced, ``trajectory.txt`` beside them
      has seconds, x, y and z of the sensor.

    Parameters
    ----------
    path : the sequence's folder, the folder of its point files, or one file.

    Raises
    ------
    SceneError
        When nothing of the kind is there, files are damaged or contradict each other.
    """
    path = Path(path)
    if not path.exists():
        raise SceneError(f"{path} does not exist; name a folder of rotations, or a file.")
    of_las = _las_suffix(path)
    if of_las is not None:
        return open_las(find_scans(path, of_las))
    if path.is_file() and path.suffix.lower() != ".bin":
        raise SceneError(
            f"{path} is no file of rotations; expected are *.bin (HelixNet, KITTI, Ouster), *.las or *.laz, or a folder of them."
        )
    scans = find_scans(path)
    first = scans.points[0]
    if helixnet.is_helixnet(first):
        return helixnet.open_helixnet(scans)
    if first.stat().st_size % (4 * kitti.COLUMNS) == 0:
        return kitti.open_kitti(scans)
    raise SceneError(
        f"{first} has {first.stat().st_size} bytes, which is no whole number of points of {helixnet.COLUMNS} float32 (HelixNet) or "
        f"{kitti.COLUMNS} (KITTI); it was cut short, or is of another layout."
    )


def _las_suffix(path: Path) -> str | None:
    if path.is_file():
        return path.suffix if path.suffix.lower() in _LAS else None
    found = [entry.suffix for entry in sorted(path.iterdir()) if entry.suffix.lower() in _LAS]
    return found[0] if found else None
