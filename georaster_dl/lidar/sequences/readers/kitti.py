"""KITTI: points of x, y, z and intensity, with labels of 32 bits, and the same of an Ouster OS1 in RELLIS-3D."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import SceneError
from georaster_dl.lidar.sequences.readers.arrays import (
    Doubles,
    read_bytes,
    read_labels,
    read_points,
)
from georaster_dl.lidar.sequences.readers.assemble import assemble
from georaster_dl.lidar.sequences.readers.class_names import RELLIS, SEMANTIC_KITTI, names_of
from georaster_dl.lidar.sequences.readers.firing import azimuth_of, firing_share, in_firing_order
from georaster_dl.lidar.sequences.readers.scans import Scans
from georaster_dl.lidar.sequences.readers.sequence import Sequence
from georaster_dl.lidar.sequences.rotation import Rotation

__all__ = ["COLUMNS", "open_kitti"]

COLUMNS = 4
_PERIOD_S = 0.1  # both sensors turn ten times a second
_OUSTER_FIRINGS, _OUSTER_FIBERS = 2048, 64

_Points = npt.NDArray[np.float32]


def open_kitti(scans: Scans) -> Sequence:
    """Open a sequence in KITTI's layout, of a Velodyne or an Ouster OS1.

    A file of 2048 firings of 64 lasers, with zeros where there was no return, is an Ouster's as RELLIS-3D has it; its points
    are in the order of the firings. Other files have no time of a point: it is computed of the azimuth.

    Raises
    ------
    SceneError
        When files are damaged or contradict each other.
    """
    known = scans.poses()
    remarks: tuple[str, ...] = ()
    if known is None:
        remarks = ("There are no poses: the sensor is taken as standing still.",)
    elif scans.camera() is None:
        remarks = ("Poses are taken as those of the LiDAR, as there is no Tr in a calib.txt.",)
    poses = np.tile(np.eye(4), (len(scans.points), 1, 1)) if known is None else known
    times = scans.times()
    starts = _PERIOD_S * np.arange(len(scans.points)) if times is None else times
    if times is None:
        remarks += (f"There is no times.txt: rotations are taken as {_PERIOD_S} s long.",)
    period = float(np.median(np.diff(starts))) if len(starts) > 1 else _PERIOD_S
    first = read_points(scans.points[0], COLUMNS)
    if first[:, 3].min() < 0:
        raise SceneError(
            f"{scans.points[0]} has negative intensities down to {first[:, 3].min():.4g}, so its points are hardly x y z intensity of "
            f"float32 each; write them so, or as HelixNet's nine columns."
        )
    ouster = _is_ouster(first)
    remarks += (_about_order(first, ouster),)
    scale, about_scale = _intensity_scale(first, ouster)

    def load(number: int) -> Rotation:
        return _read(
            scans, number, starts[number], period, poses[number], ouster=ouster, scale=scale
        )

    return Sequence(
        name=scans.name,
        layout="ouster" if ouster else "kitti",
        files=scans.points,
        labelled=bool(scans.labels),
        period_s=period,
        remarks=remarks + about_scale,
        load=load,
        name_classes=lambda: _classes(scans.labels, RELLIS if ouster else SEMANTIC_KITTI),
    )


def _is_ouster(points: _Points) -> bool:
    return len(points) == _OUSTER_FIRINGS * _OUSTER_FIBERS and not points[:, :3].any(axis=1).all()


def _about_order(points: _Points, ouster: bool) -> str:
    if ouster:
        return "Firing times are taken from the order of the 2048 firings; the lasers are numbered as the file has them."
    if in_firing_order(azimuth_of(points[points[:, :3].any(axis=1)])):
        return "Points have no times: they are taken from the azimuth, in the order of the file. Lasers are not numbered."
    return (
        "Points have no times, and are not in firing order: times are taken from the azimuth, counter-clockwise from the "
        "rear. Lasers are not numbered."
    )


def _intensity_scale(points: _Points, ouster: bool) -> tuple[float, tuple[str, ...]]:
    """Choose the factor to intensities of 0 to 255, and a remark on it where it is not 1."""
    if ouster:
        about = "Intensities are taken as counts over 65535, of which 0 to 1020 become 0 to 255."
        return 65535 / 4, (about,)
    if points[:, 3].max() <= 1:
        return 255.0, ("Intensities of 0 to 1 are multiplied by 255.",)
    return 1.0, ()


def _read(
    scans: Scans,
    number: int,
    start: float,
    period: float,
    pose: Doubles,
    *,
    ouster: bool,
    scale: float,
) -> Rotation:
    path = scans.points[number]
    points = read_points(path, COLUMNS)
    if ouster and len(points) != _OUSTER_FIRINGS * _OUSTER_FIBERS:
        raise SceneError(
            f"{path} has {len(points)} points, but those before it {_OUSTER_FIRINGS} firings of {_OUSTER_FIBERS} lasers; it was "
            f"cut short, or is of another sensor."
        )
    label = read_labels(scans.labels[number], "<u4", len(points)) if scans.labels else None
    measured = np.asarray(points[:, :3].any(axis=1))
    if not measured.any():
        raise SceneError(f"{path} has no point with a return: all {len(points)} are at 0, 0, 0.")
    place = np.arange(len(points))
    share = np.zeros(len(points))
    if ouster:
        share = (place // _OUSTER_FIBERS) / _OUSTER_FIRINGS
    else:
        share[measured] = firing_share(azimuth_of(points[measured]))
    return assemble(
        points[:, :3],
        points[:, 3] * np.float32(scale),
        start + period * share,
        measured=measured,
        pose=pose,
        name=path.stem,
        fiber=place % _OUSTER_FIBERS if ouster else None,
        label=label,
    )


def _classes(labels: tuple[Path, ...], known: dict[int, str]) -> dict[int, str]:
    """Name the classes that occur in any of the label files."""
    seen = np.zeros(1 << 16, bool)
    for path in labels:
        data = read_bytes(path)
        seen[np.frombuffer(data[: len(data) // 4 * 4], "<u4") & 0xFFFF] = True
    return names_of(np.flatnonzero(seen).tolist(), known)
