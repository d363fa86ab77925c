"""Online segmentation: a slice at a time, with keys and values of past slices."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from georaster_dl.lidar.sequences.rotation import Rotation
from georaster_dl.lidar.sequences.slices import as_slice, slices_of
from georaster_dl.models.zoo.lidar.helix4d import Helix4D, Memory

__all__ = ["SegmentedRotation", "Segmenter"]


@dataclass(frozen=True, eq=False)
class SegmentedRotation:
    """Classes of the points of a rotation.

    Attributes
    ----------
    planes : (n,) uint16, number of each point's class in the network, from 1.
    acquisition_s : seconds that a slice is measured for.
    inference_s : seconds that the network took for each slice.
    """

    planes: npt.NDArray[np.uint16] = field(repr=False)
    acquisition_s: float
    inference_s: tuple[float, ...]


class Segmenter:
    """A network in use, with a memory of the last two turns.

    Parameters
    ----------
    network : on its device.
    slices : of a turn; 1 sees whole turns.
    """

    def __init__(self, network: Helix4D, slices: int, device: str) -> None:
        self._network, self._slices, self._device = network, slices, device
        self._memory = Memory(slices)

    def rotation(self, rotation: Rotation, period_s: float) -> SegmentedRotation:
        """Segment the next rotation."""
        self._network.eval()
        planes, seconds = np.zeros(len(rotation), np.uint16), []
        for points in slices_of(rotation, self._slices, period_s):
            begun = time.perf_counter()
            if points.stop > points.start:
                planes[points] = self._slice(rotation, points)
            else:
                self._memory.keep(None)
            seconds.append(time.perf_counter() - begun)
        return SegmentedRotation(planes, period_s / self._slices, tuple(seconds))

    def _slice(self, rotation: Rotation, points: slice) -> npt.NDArray[np.int64]:
        one = as_slice(rotation, points, self._device, whole=self._slices == 1)
        with torch.inference_mode():
            logits, left = self._network([one], [self._memory.recall()])
        self._memory.keep(left[0])
        found: npt.NDArray[np.int64] = logits[:, 1:].argmax(dim=1).cpu().numpy() + 1
        return found
