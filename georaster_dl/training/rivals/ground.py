"""Labelled pixels of a part of the split, drawn at random, as classifiers and networks see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from georaster_dl.models.runtime.device import Device
from georaster_dl.models.zoo.texture.features import Texture
from georaster_dl.tiling.sampling import Window
from georaster_dl.tiling.split_blocks import TRAIN
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.result.measure import output_of

__all__ = ["Ground", "draw_learnt", "draw_tested"]

_LEARNT_SIDE, _LEARNT_WINDOWS = 64, 256  # many small places, ...
_TESTED_WINDOWS = 48  # ... but where a network is run it has to see what is around
_DRAWS = 1000  # of windows, for the interval of a difference

Features = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
Classes = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Ground:
    """Labelled pixels of one part.

    Attributes
    ----------
    windows : squares that hold them.
    window, place : (n,) which window each pixel is in, and its place in that, row by row.
    classes : (n,) index into the legend.
    """

    data: TrainingData
    part: int
    windows: Sequence[Window]
    window: Places
    place: Places
    classes: Places

    def features(self, texture: Texture) -> Features:
        """Compute the planes (n, planes) of the pixels; pixels that are invalid or of other parts add to no texture."""
        reader, reach = self.data.split.reader(self.part), texture.reach
        found = []
        for window, places in self._used():
            wider = Window(
                window.scene, window.row - reach, window.col - reach, window.side + 2 * reach
            )
            image, valid, _ = reader.read(wider)
            with torch.inference_mode():
                planes = texture(torch.from_numpy(self.data.scaling.apply(image, valid))[None])
            found.append(planes[0].flatten(1)[:, places].T.numpy())
        return np.concatenate(found)

    def mapped(self, network: nn.Module, device: Device) -> Places:
        """Map the pixels' classes (n,) by a network that sees the windows, as in each epoch's validation."""
        network = network.eval().to(device.torch_device)
        reader = self.data.split.reader(self.part)
        found = []
        for window, places in self._used():
            image, valid, _ = reader.read(window)
            with torch.inference_mode():
                output = output_of(network, self.data.scaling.apply(image, valid), device)
            found.append(output.reshape(len(output), -1)[:, places].argmax(axis=0))
        return np.concatenate(found)

    def tied(self, one: Classes, other: Classes) -> bool:
        """Whether two maps (n,) of the pixels are a tie in their mean IoU.

        They are where 0 is within the 95 % interval of the difference over windows drawn anew with replacement, the
        same for both (paired bootstrap; Efron & Tibshirani 1993). Neighbouring pixels err together, so whole windows
        are drawn.
        """
        window = np.unique(self.window, return_inverse=True)[1]
        n = int(window.max()) + 1
        drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), _DRAWS)
        scores = [
            _mean_ious(drawn, window, mapped, self.classes, len(self.data.names))
            for mapped in (one, other)
        ]
        low, high = np.nanpercentile(scores[0] - scores[1], (2.5, 97.5))
        return bool(low <= 0 <= high)

    def _used(self) -> Iterator[tuple[Window, Places]]:
        """Iterate over the windows that hold pixels, with the places of these."""
        for number in np.unique(self.window):
            yield self.windows[number], self.place[self.window == number]


def draw_learnt(data: TrainingData, most: int) -> Ground:
    """Draw pixels of the training part, of each class the same number where it has as many."""
    sampler = data.split.sampler(TRAIN, "grid", _LEARNT_SIDE)
    windows: Sequence[Window] = sampler.windows
    if len(windows) > _LEARNT_WINDOWS:
        rng = np.random.default_rng([data.config.seed, TRAIN])
        balanced = data.split.sampler(TRAIN, "balanced", _LEARNT_SIDE)
        windows = [balanced.draw(rng, i, _LEARNT_SIDE) for i in range(_LEARNT_WINDOWS)]
    return _drawn(data, TRAIN, windows, most, balanced=True)


def draw_tested(data: TrainingData, part: int, most: int) -> Ground:
    """Draw pixels of another part, all alike, from the windows on which networks are validated or from some of them."""
    windows = data.evaluation_windows(part, _TESTED_WINDOWS)
    return _drawn(data, part, windows, most, balanced=False)


def _drawn(
    data: TrainingData, part: int, windows: Sequence[Window], most: int, *, balanced: bool
) -> Ground:
    reader = data.split.reader(part)
    labels = np.stack([reader.read(window)[2].ravel().astype(np.int16) for window in windows])
    rng = np.random.default_rng([data.config.seed, part])
    flat = labels.ravel()
    kinds = np.unique(flat[flat >= 0]) if balanced else [None]
    chosen = []
    for kind in kinds:
        known = np.flatnonzero(flat >= 0 if kind is None else flat == kind)
        chosen.append(known[rng.permutation(len(known))[: -(-most // len(kinds))]])
    places = np.sort(np.concatenate(chosen))
    window, place = np.divmod(places, labels.shape[1])
    return Ground(data, part, windows, window, place, flat[places].astype(np.int64))


def _mean_ious(
    drawn: Places, window: Places, mapped: Classes, classes: Classes, count: int
) -> npt.NDArray[np.float64]:
    """Mean IoU (draws,) of the windows of each draw; ``drawn`` (draws, windows) counts how often each is in it."""
    shape = (drawn.shape[1], count, count)
    pairs = np.ravel_multi_index((window, mapped, classes), shape)
    counts = np.bincount(pairs, minlength=int(np.prod(shape))).reshape(shape)
    drawn_counts = np.tensordot(drawn.astype(np.float64), counts, 1)
    correct = np.diagonal(drawn_counts, axis1=1, axis2=2)
    referenced = drawn_counts.sum(axis=1)
    union = drawn_counts.sum(axis=2) + referenced - correct
    known = referenced > 0
    iou = np.divide(correct, union, out=np.zeros_like(correct), where=known)
    scores: npt.NDArray[np.float64] = iou.sum(axis=1) / known.sum(axis=1)
    return scores
