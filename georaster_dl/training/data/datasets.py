"""PyTorch datasets of patches: read, masked to their part of the split, normalised, augmented.

Only windows are in memory, so neither a scene nor a training set has to fit. A patch is a function
of the seed, the epoch and its number alone: neither the process that reads it nor an interruption
of the run changes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset, Sampler

from georaster_dl.tiling.sampling import Window
from georaster_dl.tiling.split_blocks import TRAIN
from georaster_dl.training.data.labelled_scenes import is_labelled
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.rehearsal.reservoir import Reservoir
from georaster_dl.training.transforms.augment import Optics

__all__ = ["EpochSampler", "EvaluationPatches", "Sample", "TrainingPatches", "training_patches"]

Float = npt.NDArray[np.float32]
Target = npt.NDArray[Any]  # int64 class indexes, or float32 values, fractions or bands
Mask = npt.NDArray[np.bool_]
Sample = tuple[Float, Target]

_DRAWS = 10
_UNSIGNED = 2**32 - 1  # seeds have no sign


def training_patches(data: TrainingData) -> TrainingPatches:
    """Make the dataset of training patches that suits the network."""
    if data.rehearsed is not None:
        return RehearsingPatches(data, data.rehearsed)
    return CentrePatches(data) if data.centred else TrainingPatches(data)


class TrainingPatches(Dataset[Sample]):
    """Augmented patches of the training part, by (epoch, number).

    The targets are labels, or for an autoencoder the bands without noise. Where boundaries of objects are learnt, they are
    (2, patch, patch): classes, and the nearness to a boundary.
    """

    def __init__(self, data: TrainingData) -> None:
        self._reader = data.split.reader(TRAIN, boundaries=data.instances)
        self._sampler = data.sampler()
        self._scaling = data.scaling
        self._augmentation = data.config.augment
        self._input_noise = data.input_noise
        self._patch = data.patch
        self._seed = data.config.seed
        self._optics = Optics.of(data.bands, data.scaling.mean, data.scaling.std)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Make the image (bands, patch, patch) and target of a patch."""
        rng = np.random.default_rng([self._seed, key[0], key[1] & _UNSIGNED])
        side = self._augmentation.window(rng, self._patch)
        image, valid, target = self._read(rng, key[1], side)
        image, valid, target = self._augmentation.apply(
            rng,
            self._scaling.apply(image, valid),
            valid,
            self._scaling.apply_target(target),
            patch=self._patch,
            optics=self._optics,
        )
        if self._input_noise is not None:
            image, target = self._input_noise.sample(rng, image, valid)
        return np.ascontiguousarray(image), np.ascontiguousarray(self._learnt(target))

    def _read(self, rng: np.random.Generator, number: int, side: int) -> tuple[Float, Mask, Target]:
        """Read a window that holds a label."""
        # The draw aims at a labelled pixel and then moves aside, now and then too far.
        for _ in range(_DRAWS):
            read = self._reader.read(self._sampler.draw(rng, number, side))
            if is_labelled(read[2]).any():
                break
        return read

    def _learnt(self, target: Target) -> Target:
        """Select the part of a patch's target that enters the loss."""
        return target


class RehearsingPatches(TrainingPatches):
    """Patches of the training part, or from a reservoir where the number is negative, by (epoch, number).

    Parameters
    ----------
    old : patches of earlier ground.
    """

    def __init__(self, data: TrainingData, old: Reservoir) -> None:
        super().__init__(data)
        self._old = old

    def _read(self, rng: np.random.Generator, number: int, side: int) -> tuple[Float, Mask, Target]:
        """Read a window, or draw a patch of the reservoir."""
        if number >= 0:
            return super()._read(rng, number, side)
        image, valid = self._old.read(int(rng.choice(self._old.rehearsed)))
        return image, valid, np.where(valid, 0, -1)


class CentrePatches(TrainingPatches):
    """Augmented patches about a labelled pixel, by (epoch, number).

    The sampler chooses the cell of the label counts that the middle is drawn from: each labelled
    pixel of it has the same chance, or where sampling is balanced each class. The target is the
    middle pixel's label, (1, 1), or its fractions, (fractions, 1, 1).
    """

    def __init__(self, data: TrainingData) -> None:
        super().__init__(data)
        self._cells = [each.index.cell for each in data.scenes]
        self._balanced = data.config.patches.sampling == "balanced"

    def _read(self, rng: np.random.Generator, number: int, side: int) -> tuple[Float, Mask, Target]:
        """Read a window about a labelled pixel."""
        scene, row, col = self._middle(rng, number)
        # Zoomed or turned, the middle pixel stays the middle.
        return self._reader.read(Window(scene, row - side // 2, col - side // 2, side))

    def _middle(self, rng: np.random.Generator, number: int) -> tuple[int, int, int]:
        """Draw scene, row and col of a labelled pixel."""
        drawn = self._sampler.draw(rng, number, 1)
        side = self._cells[drawn.scene]
        cell = Window(drawn.scene, drawn.row // side * side, drawn.col // side * side, side)
        labels = self._reader.read(cell)[2]
        rows, cols = np.nonzero(
            _of_one_class(rng, labels) if self._balanced else is_labelled(labels)
        )
        chosen = int(rng.integers(len(rows)))
        return cell.scene, cell.row + int(rows[chosen]), cell.col + int(cols[chosen])

    def _learnt(self, target: Target) -> Target:
        """Select the middle pixel."""
        middle = slice(self._patch // 2, self._patch // 2 + 1)
        return target[..., middle, middle]


def _of_one_class(rng: np.random.Generator, labels: Target) -> Mask:
    """Mask the pixels of a random class, or all labelled pixels where labels are continuous."""
    labelled = is_labelled(labels)
    if np.issubdtype(labels.dtype, np.floating):
        return labelled
    chosen: Mask = labels == rng.choice(np.unique(labels[labelled]))
    return chosen


class EvaluationPatches(Dataset[Sample]):
    """Windows that cover a part's labels, by number; the input noise of an autoencoder is fixed.

    Parameters
    ----------
    most : windows; where there are more, random ones are taken.
    noise_draws : fewest samples with input noise; few windows come several times, with other noise.
    boundaries : whether the targets are (2, side, side), as those of training patches, where boundaries are learnt.
    """

    def __init__(
        self,
        data: TrainingData,
        part: int,
        *,
        most: int | None = None,
        noise_draws: int = 1,
        boundaries: bool = False,
    ) -> None:
        self._reader = data.split.reader(part, boundaries=boundaries and data.instances)
        self._windows = data.evaluation_windows(part, most)
        self._scaling = data.scaling
        self._seed = data.config.seed
        self._input_noise = data.input_noise
        if self._input_noise is not None:
            # A draw is of whole bands; metrics of few windows would depend on which these were.
            self._windows *= -(-noise_draws // len(self._windows))

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, number: int) -> Sample:
        """Make the image (bands, side, side) and target of a window."""
        image, valid, target = self._reader.read(self._windows[number])
        image = self._scaling.apply(image, valid)
        if self._input_noise is not None:
            rng = np.random.default_rng([self._seed, number])
            return self._input_noise.sample(rng, image, valid)
        return image, self._scaling.apply_target(target)


class EpochSampler(Sampler[tuple[int, int]]):
    """Keys of an epoch's patches, shared out among processes that train together.

    Every second one is of earlier ground where that is rehearsed: its number is negative.

    Attributes
    ----------
    epoch : set before each epoch by the training loop.
    """

    def __init__(self, data: TrainingData, *, rank: int = 0, world: int = 1) -> None:
        self.epoch = 0
        self._sampler = data.sampler()
        self._n = data.per_epoch
        self._seed = data.config.seed
        self._rank, self._world = rank, world
        self._rehearses = data.rehearsed is not None

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next keys."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._n // self._world

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng([self._seed, self.epoch])
        order = self._sampler.order(rng, self._n)
        for place, number in enumerate(order[self._rank : len(self) * self._world : self._world]):
            is_old = self._rehearses and place % 2 == 1
            yield self.epoch, -1 - int(number) if is_old else int(number)
