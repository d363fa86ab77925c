"""Sequences of rotating LiDARs read from files: HelixNet, KITTI, Ouster as RELLIS-3D stores it, LAS and LAZ with time."""

from georaster_dl.lidar.sequences.readers.opening import open_sequence
from georaster_dl.lidar.sequences.readers.sequence import Sequence

__all__ = ["Sequence", "open_sequence"]
