"""HelixNet: points of x, y, z, r, theta, z', intensity, fiber and time, with a byte of label each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import SceneError
from georaster_dl.lidar.sequences.readers.arrays import Doubles, read_labels, read_points
from georaster_dl.lidar.sequences.readers.assemble import assemble
from georaster_dl.lidar.sequences.readers.class_names import HELIXNET
from georaster_dl.lidar.sequences.readers.scans import Scans
from georaster_dl.lidar.sequences.readers.sequence import Sequence
from georaster_dl.lidar.sequences.rotation import Rotation

__all__ = ["COLUMNS", "is_helixnet", "open_helixnet"]

COLUMNS = 9
_RANGE, _ANGLE, _INTENSITY, _FIBER, _TIME = 3, 4, 6, 7, 8
_UNITS = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}
_TURN_S = 0.02, 2.0  # of rotating sensors: 50 Hz to 0.5 Hz
_FARTHEST_M = 5.0  # that a sensor moves within a turn, over what a single pose can say
_FITTED = 4096  # points that a pose is fitted to

_Points = npt.NDArray[np.float32]


def is_helixnet(path: Path) -> bool:
    """Recognise points of nine columns: whole numbers of fibers, ranges, angles of a turn."""
    if path.stat().st_size % (4 * COLUMNS):
        return False
    first = np.fromfile(path, "<f4", 1000 * COLUMNS).reshape(-1, COLUMNS)
    fiber, angle = first[:, _FIBER], first[:, _ANGLE]
    return bool(
        len(first)
        and (fiber == np.round(fiber)).all()
        and (fiber >= 0).all()
        and (first[:, _RANGE] >= 0).all()
        and (np.abs(angle) < 6.3).all()
    )


def open_helixnet(scans: Scans) -> Sequence:
    """Open a sequence in the layout of HelixNet (Loiseau et al. 2022).

    x, y, z are of the world, r, theta and z' of the sensor. Where there is no poses.txt, the pose of a rotation is the rigid
    motion that fits both best.

    Raises
    ------
    SceneError
        When files are damaged, or times are of no rotating sensor.
    """
    poses = scans.poses()
    remarks: tuple[str, ...] = ()
    if poses is None:
        remarks = (
            "There is no poses.txt; poses are fitted between the sensor's and the world's coordinates.",
        )
    period, unit = _period(scans.points)
    if unit != 1.0:
        remarks += (
            f"Times are taken as {_UNITS[unit]}, of which a rotation has {period / unit:.4g}.",
        )

    def load(number: int) -> Rotation:
        return _read(scans, number, unit, None if poses is None else poses[number])

    return Sequence(
        name=scans.name,
        layout="helixnet",
        files=scans.points,
        labelled=bool(scans.labels),
        period_s=period,
        remarks=remarks,
        load=load,
        name_classes=lambda: dict(HELIXNET),
    )


def _period(files: tuple[Path, ...]) -> tuple[float, float]:
    """Compute seconds of a rotation, and those of the file's unit of time."""
    first, second = (_span(path) for path in (files * 2)[:2])
    length = first[1] - first[0]
    unit = next((u for u in _UNITS if _TURN_S[0] <= length * u <= _TURN_S[1]), None)
    if unit is None:
        raise SceneError(
            f"{files[0]}: the times of its points span {length:.6g}, in no unit the turn of a rotating sensor; expected is the "
            f"time of firing, in seconds, as the last of nine columns."
        )
    # From start to start where rotations follow each other; the span lacks the last firing.
    step = second[0] - first[0]
    return (step if 0.9 < step / length < 1.2 else length) * unit, unit


def _span(path: Path) -> tuple[float, float]:
    points = read_points(path, COLUMNS)
    times = points[points[:, _RANGE] > 0, _TIME].astype(np.float64)
    return (float(times.min()), float(times.max())) if len(times) else (0.0, 0.0)


def _read(scans: Scans, number: int, unit: float, pose: Doubles | None) -> Rotation:
    path = scans.points[number]
    points = read_points(path, COLUMNS)
    measured = points[:, _RANGE] > 0
    if not measured.any():
        raise SceneError(f"{path} has no point with a return: all {len(points)} ranges are 0.")
    label = read_labels(scans.labels[number], "u1", len(points)) if scans.labels else None
    if label is not None and label.max(initial=0) > max(HELIXNET):
        raise SceneError(
            f"{scans.labels[number]} has the label {int(label.max())}, but HelixNet's are 0 to {max(HELIXNET)}."
        )
    reach, angle = points[:, _RANGE].astype(np.float64), points[:, _ANGLE].astype(np.float64)
    xyz = np.stack([reach * np.cos(angle), reach * np.sin(angle), points[:, 5]], axis=1)
    if pose is None:
        pose = _fitted_pose(path, xyz[measured], points[measured, :3].astype(np.float64))
    return assemble(
        xyz,
        points[:, _INTENSITY],
        points[:, _TIME].astype(np.float64) * unit,
        measured=measured,
        pose=pose,
        name=path.stem,
        fiber=points[:, _FIBER],
        label=label,
    )


def _fitted_pose(path: Path, sensor: Doubles, world: Doubles) -> Doubles:
    """Fit the rigid motion (4, 4) from points (n, 3) of the sensor to those of the world (Kabsch)."""
    every = max(len(sensor) // _FITTED, 1)
    sensor, world = sensor[::every], world[::every]
    middle, there = sensor.mean(axis=0), world.mean(axis=0)
    left, _sizes, right = np.linalg.svd((sensor - middle).T @ (world - there))
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    pose = np.eye(4)
    pose[:3, :3] = (left @ mirror @ right).T
    pose[:3, 3] = there - pose[:3, :3] @ middle
    off = sensor @ pose[:3, :3].T + pose[:3, 3] - world
    error = float(np.sqrt((off**2).sum(axis=1).mean()))
    if error > _FARTHEST_M:
        raise SceneError(
            f"{path}: no pose takes r, theta and z' to x, y and z, which are {error:.1f} m apart at best; expected are nine "
            f"columns: x y z of the world, r theta z of the sensor, intensity, fiber, time."
        )
    return pose
