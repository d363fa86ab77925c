"""LAS and LAZ with GPS times: rotations divided where the azimuth has turned once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import SceneError
from georaster_dl.lidar.sequences.readers.arrays import (
    Doubles,
    read_numbers,
    refuse_unmeasured,
)
from georaster_dl.lidar.sequences.readers.assemble import assemble
from georaster_dl.lidar.sequences.readers.class_names import ASPRS, names_of
from georaster_dl.lidar.sequences.readers.firing import azimuth_of, passed_turns
from georaster_dl.lidar.sequences.readers.scans import Scans
from georaster_dl.lidar.sequences.readers.sequence import Sequence
from georaster_dl.lidar.sequences.rotation import Rotation
from georaster_dl.lidar.tiles import foreign_errors, import_laspy

__all__ = ["open_las"]

_FARTHEST_M = 1000.0  # that a rotating sensor sees
_TURN_S = 0.02, 2.0
_REST = 0.1  # of a turn: what is left of it after the last whole rotation belongs to that one
_BITS_8 = 255
_UNLABELLED = {0, 1}  # created, never classified; unclassified


@dataclass(frozen=True)
class _Points:
    """Points of a file, with the number of the rotation of each.

    Attributes
    ----------
    xyz : (n, 3) relative to the sensor.
    sensor : (n, 3) position of the sensor when each was fired.
    turn : (n,) from 0.
    """

    xyz: Doubles
    sensor: Doubles
    seconds: Doubles
    intensity: npt.NDArray[np.uint16]
    label: npt.NDArray[np.uint8]
    turn: npt.NDArray[np.int64]


def open_las(scans: Scans) -> Sequence:
    """Open LAS or LAZ files whose points have GPS times.

    Beside georeferenced points ``trajectory.txt`` has seconds, x, y and z of the sensor, in the points' times and coordinates. Without it
    they are taken as being in the frame of a sensor that stands still.

    Raises
    ------
    SceneError
        When there are no times, coordinates are far from the sensor, or nothing turns.
    """
    beside = scans.points[0].with_name("trajectory.txt")
    trajectory = read_numbers(beside, 4) if beside.exists() else None
    # One file at a time: rotations of a file follow each other.
    points_of = lru_cache(maxsize=1)(lambda path: _read_points(path, trajectory))
    rotations: list[tuple[Path, int]] = []
    seen: set[int] = set()
    periods: list[float] = []
    brightest = 0
    for path in scans.points:
        points = points_of(path)
        rotations += [(path, turn) for turn in range(int(points.turn.max()) + 1)]
        periods += _periods(path, points)
        seen |= set(np.unique(points.label).tolist())
        brightest = max(brightest, int(points.intensity.max(initial=0)))
    scale = 1.0 if brightest <= _BITS_8 else 1 / 257
    many = len(rotations) > len(scans.points)

    def load(number: int) -> Rotation:
        path, turn = rotations[number]
        name = f"{path.stem}_{turn:04d}" if many else path.stem
        return _rotation(points_of(path), turn, name, scale)

    return Sequence(
        name=scans.name,
        layout="las",
        files=tuple(path for path, _turn in rotations),
        labelled=bool(seen - _UNLABELLED),
        period_s=float(np.median(periods)),
        remarks=_remarks(trajectory is None, scale),
        load=load,
        name_classes=lambda: names_of(seen - _UNLABELLED, ASPRS),
    )


def _remarks(still: bool, scale: float) -> tuple[str, ...]:
    remarks = ["Lasers are not numbered.", "Classes 0 and 1 are taken as no label."]
    if still:
        remarks.insert(0, "There is no trajectory.txt: the sensor is taken as standing still.")
    if scale != 1.0:
        remarks.append("Intensities of 16 bits are divided by 257.")
    return tuple(remarks)


def _read_points(path: Path, trajectory: Doubles | None) -> _Points:
    laspy = import_laspy()
    with foreign_errors(path):
        las = laspy.read(path)
    if not len(las.points):
        raise SceneError(f"{path} holds no points; leave it out.")
    if "gps_time" not in set(las.point_format.dimension_names):
        raise SceneError(
            f"{path} has points of format {las.point_format.id}, without GPS time, so their rotations cannot be told "
            f"apart; expected is format 1, 3, 4, 5 or one from 6 to 10."
        )
    seconds = np.asarray(las.gps_time, np.float64)
    xyz = np.asarray(las.xyz, np.float64)
    refuse_unmeasured(path, np.column_stack([xyz, seconds]))
    sensor = _sensor_at(path, seconds, trajectory)
    xyz = xyz - sensor
    far = float(np.median(np.linalg.norm(xyz, axis=1)))
    if far > _FARTHEST_M:
        raise SceneError(
            f"{path}: half of the points are more than {far:.0f} m from the sensor. Georeferenced points need trajectory.txt beside "
            f"them: lines of seconds, x, y and z of the sensor, in the points' GPS times and coordinates."
        )
    order = np.argsort(seconds, kind="stable")
    turn = np.empty(len(order), np.int64)
    turn[order] = _turns(azimuth_of(xyz[order]))
    intensity, label = np.asarray(las.intensity), np.asarray(las.classification, np.uint8)
    return _Points(xyz, sensor, seconds, intensity, label, turn)


def _sensor_at(path: Path, seconds: Doubles, trajectory: Doubles | None) -> Doubles:
    """Interpolate where the sensor was (n, 3) when points were fired."""
    if trajectory is None:
        return np.zeros((len(seconds), 3))
    known = trajectory[np.argsort(trajectory[:, 0], kind="stable")]
    if not len(known) or seconds.min() < known[0, 0] or seconds.max() > known[-1, 0]:
        covered = f"{known[0, 0]:.3f} to {known[-1, 0]:.3f}" if len(known) else "nothing"
        raise SceneError(
            f"{path}: points were fired from second {seconds.min():.3f} to {seconds.max():.3f}, but the trajectory covers "
            f"{covered}; expected is one in the same GPS time, over all points."
        )
    axes = [np.interp(seconds, known[:, 0], known[:, axis]) for axis in (1, 2, 3)]
    return np.stack(axes, axis=1)


def _turns(azimuth: Doubles) -> npt.NDArray[np.int64]:
    """Number the turns (n,) of azimuths in firing order; a short rest belongs to the last."""
    passed = passed_turns(azimuth)
    turns = np.floor(passed).astype(np.int64)
    rest = float(passed[-1]) - turns[-1]
    most = int(turns[-1]) - (1 if turns[-1] > 0 and rest < _REST else 0)
    return np.minimum(turns, most)


def _periods(path: Path, points: _Points) -> list[float]:
    """Measure the seconds of each rotation of a file but the last, which may be cut; of a single one, its span."""
    turns = int(points.turn.max()) + 1
    starts = np.full(turns, np.inf)
    np.minimum.at(starts, points.turn, points.seconds)
    spans = np.diff(starts) if turns > 1 else np.array([np.ptp(points.seconds)])
    if not _TURN_S[0] <= np.median(spans) <= _TURN_S[1]:
        raise SceneError(
            f"{path}: points turn around the sensor once in {np.median(spans):.3g} s, as no rotating sensor does ({_TURN_S[0]} to "
            f"{_TURN_S[1]} s). An airborne or terrestrial scan is no sequence: use `geodl lidar classify`."
        )
    return [float(span) for span in spans]


def _rotation(points: _Points, turn: int, name: str, scale: float) -> Rotation:
    """Take a rotation; its pose is a shift, as axes stay those of the coordinates."""
    mine = points.turn == turn
    pose = np.eye(4)
    pose[:3, 3] = points.sensor[mine][points.seconds[mine].argmin()]
    label = np.where(np.isin(points.label, list(_UNLABELLED)), 0, points.label)
    return assemble(
        points.xyz,
        points.intensity * np.float32(scale),
        points.seconds,
        measured=mine,
        pose=pose,
        name=name,
        label=label,
    )
