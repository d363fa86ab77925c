"""Folders of scans: point files with labels, poses, calibration and times beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from georaster_dl.core.errors import SceneError
from georaster_dl.lidar.sequences.readers.arrays import (
    Doubles,
    pose_matrices,
    read_calibration,
    read_numbers,
)

__all__ = ["Scans", "find_scans"]

_POINTS = ("velodyne", "os1_cloud_node_kitti_bin")
_LABELS = ("labels", "os1_cloud_node_semantickitti_label_id")


@dataclass(frozen=True)
class Scans:
    """Files of a sequence.

    Attributes
    ----------
    folder : of the sequence, with poses and calibration; None of a single file.
    points : the file of each rotation.
    labels : those of the labels; empty where there are none.
    """

    name: str
    folder: Path | None
    points: tuple[Path, ...]
    labels: tuple[Path, ...]

    def poses(self) -> Doubles | None:
        """Read the poses (rotations, 4, 4), sensor to world; None where there are none.

        Poses of a camera, as KITTI's, are taken to the LiDAR by ``Tr`` of calib.txt.

        Raises
        ------
        SceneError
            When there is another number of poses than of rotations, or one is no rigid motion.
        """
        path = self.folder and self.folder / "poses.txt"
        if path is None or not path.exists():
            return None
        poses = pose_matrices(read_numbers(path, 12))
        self._check_count(path, len(poses), "poses")
        turned = poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1)
        odd = np.abs(turned - np.eye(3)).max(axis=(1, 2), initial=0) > 0.01
        if odd.any():
            raise SceneError(
                f"{path}: pose {int(odd.argmax())} is no rotation with a shift; expected are 12 numbers a line, the upper "
                f"three rows of the matrix from the sensor to the world."
            )
        of_camera = self.camera()
        return poses if of_camera is None else np.linalg.inv(of_camera) @ poses @ of_camera

    def camera(self) -> Doubles | None:
        """Read the matrix (4, 4) from the LiDAR to the camera that the poses are of; None where there is none."""
        path = self.folder and self.folder / "calib.txt"
        return None if path is None or not path.exists() else read_calibration(path)

    def times(self) -> Doubles | None:
        """Read at which second each rotation starts (rotations,); None where times.txt is missing.

        Raises
        ------
        SceneError
            When there is another number of times than of rotations, or they fall.
        """
        path = self.folder and self.folder / "times.txt"
        if path is None or not path.exists():
            return None
        times = read_numbers(path, 1)[:, 0]
        self._check_count(path, len(times), "times")
        if (np.diff(times) <= 0).any():
            raise SceneError(f"{path}: times do not rise from line to line; sort scans and times.")
        return times

    def _check_count(self, path: Path, count: int, what: str) -> None:
        if count != len(self.points):
            raise SceneError(
                f"{path} has {count} {what}, but {self.points[0].parent} has {len(self.points)} scans; expected is one for "
                f"each scan."
            )


def find_scans(path: Path, suffix: str = ".bin") -> Scans:
    """Find the scans of a sequence: of its folder, of the folder of the scans, or of a single file.

    Raises
    ------
    SceneError
        When there are none, or another number of label files.
    """
    if path.is_file():
        return Scans(path.stem, None, (path,), _labels_beside(path))
    inner = next((path / name for name in _POINTS if (path / name).is_dir()), None)
    folder = path.parent if inner is None and path.name in _POINTS else path
    points = tuple(sorted((inner or path).glob(f"*{suffix}")))
    if not points:
        below = [entry.name for entry in sorted(path.iterdir()) if entry.is_dir()]
        inside = f" It has the folders {', '.join(below[:6])}: give one of these." if below else ""
        raise SceneError(
            f"{path} holds no rotations: expected are files *.bin, *.las or *.laz, or a folder velodyne of them.{inside}"
        )
    labels = next((folder / name for name in _LABELS if (folder / name).is_dir()), None)
    if labels is None:
        return Scans(folder.name, folder, points, ())
    of_points = tuple(_label_file(labels, scan) for scan in points)
    missing = [
        scan.name for scan, label in zip(points, of_points, strict=True) if not label.exists()
    ]
    if missing:
        raise SceneError(
            f"{labels} has no labels of {len(missing)} of {len(points)} scans, the first is {missing[0]}; add them, or take "
            f"the folder away where the sequence has no labels."
        )
    return Scans(folder.name, folder, points, of_points)


def _labels_beside(scan: Path) -> tuple[Path, ...]:
    """Find the labels of a single scan: beside it, or in the folder of labels beside its own."""
    beside = scan.with_suffix(".label")
    folders = (scan.parent.parent / name for name in _LABELS if scan.parent.name in _POINTS)
    candidates = (beside, *(_label_file(folder, scan) for folder in folders))
    return tuple(candidate for candidate in candidates if candidate.exists())[:1]


def _label_file(folder: Path, scan: Path) -> Path:
    kitti = folder / f"{scan.stem}.label"
    return kitti if kitti.exists() else folder / scan.name
