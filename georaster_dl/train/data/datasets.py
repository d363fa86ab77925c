"""Patches from disk to the network: read, masked to their part of the split, normalised, varied.

Only windows are in memory, so neither a scene nor a training set has to fit. A patch is a function
of the seed, the epoch and its number alone: which process reads it, and whether the run was
interrupted before, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset, Sampler

from georaster_dl.tiling.sampling import PatchSampler, Window
from georaster_dl.train.data.labelled_scenes import is_labelled
from georaster_dl.train.data.scaling import Scaling
from georaster_dl.train.data.windows import WindowReader
from georaster_dl.train.transforms.augment import Augmentation, Optics
from georaster_dl.train.transforms.noise import InputNoise

__all__ = ["EpochSampler", "EvaluationPatches", "Sample", "TrainingPatches"]

Float = npt.NDArray[np.float32]
Target = npt.NDArray[Any]  # int64 class indexes, or float32 numbers or bands
Mask = npt.NDArray[np.bool_]
Sample = tuple[Float, Target]

_DRAWS = 10


class TrainingPatches(Dataset[Sample]):
    """Varied patches, by (epoch, number).

    Parameters
    ----------
    patch : side of a patch in pixels.
    corruption : what is done to the input of an autoencoder, whose target are the bands; None for
        a network of labels.
    """

    def __init__(
        self,
        reader: WindowReader,
        sampler: PatchSampler,
        scaling: Scaling,
        augmentation: Augmentation,
        *,
        patch: int,
        seed: int,
        corruption: InputNoise | None = None,
    ) -> None:
        self._reader = reader
        self._sampler = sampler
        self._scaling = scaling
        self._augmentation = augmentation
        self._patch = patch
        self._seed = seed
        self._corruption = corruption
        self._optics = Optics.of(reader.bands, scaling.mean, scaling.std)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """(bands, patch, patch), and (patch, patch) or the bands of one patch."""
        rng = np.random.default_rng([self._seed, *key])
        side = self._augmentation.window(rng, self._patch)
        image, valid, target = self._labelled(rng, key[1], side)
        image, valid, target = self._augmentation.apply(
            rng,
            self._scaling.apply(image, valid),
            valid,
            self._scaling.apply_target(target),
            patch=self._patch,
            optics=self._optics,
        )
        if self._corruption is not None:
            image, target = self._corruption.sample(rng, image, valid)
        return np.ascontiguousarray(image), np.ascontiguousarray(target)

    def _labelled(
        self, rng: np.random.Generator, number: int, side: int
    ) -> tuple[Float, Mask, Target]:
        # The draw aims at a labelled pixel and then moves aside, now and then too far.
        for _ in range(_DRAWS):
            read = self._reader.read(self._sampler.draw(rng, number, side))
            if is_labelled(read[2]).any():
                break
        return read


class EvaluationPatches(Dataset[Sample]):
    """Windows of a grid as they are, by number; for an autoencoder disturbed, always alike.

    Parameters
    ----------
    corruption : as for ``TrainingPatches``; what it draws follows from ``seed`` and the number.
    fewest : disturbed windows there should be; few windows come several times, disturbed anew.
    """

    def __init__(
        self,
        reader: WindowReader,
        windows: Sequence[Window],
        scaling: Scaling,
        *,
        seed: int = 0,
        corruption: InputNoise | None = None,
        fewest: int = 1,
    ) -> None:
        self._reader = reader
        self._windows = list(windows)
        if corruption is not None:
            # A draw is of whole bands; the figures of few windows would hang on which these were.
            self._windows *= -(-fewest // len(self._windows))
        self._scaling = scaling
        self._seed = seed
        self._corruption = corruption

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, number: int) -> Sample:
        """(bands, side, side), and (side, side) or the bands of one window."""
        image, valid, target = self._reader.read(self._windows[number])
        image = self._scaling.apply(image, valid)
        if self._corruption is not None:
            return self._corruption.sample(
                np.random.default_rng([self._seed, number]), image, valid
            )
        return image, self._scaling.apply_target(target)


class EpochSampler(Sampler[tuple[int, int]]):
    """Keys of an epoch's patches, shared out among processes that train together.

    Attributes
    ----------
    epoch : set before each epoch by the training loop.
    """

    def __init__(
        self, sampler: PatchSampler, n: int, *, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        self.epoch = 0
        self._sampler = sampler
        self._n = n
        self._seed = seed
        self._rank, self._world = rank, world

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose keys are given next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._n // self._world

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng([self._seed, self.epoch])
        order = self._sampler.order(rng, self._n)
        for number in order[self._rank : len(self) * self._world : self._world]:
            yield self.epoch, int(number)
