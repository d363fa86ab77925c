"""Patches from disk to the network: read, masked to their part of the split, normalised, varied.

Only windows are in memory, so neither a scene nor a training set has to fit. A patch is a function
of the seed, the epoch and its number alone: which process reads it, and whether the run was
interrupted before, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset, Sampler

from georaster_dl.bands import Band, find_band
from georaster_dl.errors import OptionError
from georaster_dl.models.card import Card
from georaster_dl.sampling import PatchSampler, Window
from georaster_dl.splits import Territory
from georaster_dl.train.augment import Augmentation, Optics
from georaster_dl.train.ground import is_labelled
from georaster_dl.train.store import StoredGround

__all__ = ["EpochSampler", "EvaluationPatches", "Scaling", "TrainingPatches", "WindowReader"]

Float = npt.NDArray[np.float32]
Target = npt.NDArray[Any]  # int64 class indexes, or float32 numbers
Mask = npt.NDArray[np.bool_]
Sample = tuple[Float, Target]

_DRAWS = 10
_MEASURED = 512  # windows; where a training set has more, its mean and deviation are estimated


class WindowReader:
    """Cuts windows out of the stored ground.

    Parameters
    ----------
    stored, territories : one each per scene.
    part : whose ground is read; everything else is nodata.
    """

    def __init__(
        self, stored: Sequence[StoredGround], territories: Sequence[Territory], part: int
    ) -> None:
        self._stored = tuple(stored)
        self._territories = tuple(territories)
        self._part = part

    @property
    def bands(self) -> tuple[Band, ...]:
        """What each plane is."""
        return self._stored[0].ground.scene.bands

    def read(self, window: Window) -> tuple[Float, Mask, Target]:
        """Physical values (bands, side, side), where they are valid, and labels (side, side).

        Labels are class indices with -1 where there is none, or numbers with NaN; beyond the
        scene and beyond the part's ground nothing is valid and nothing labelled.
        """
        ground = self._stored[window.scene].ground
        shape = (window.side, window.side)
        image = np.zeros((len(ground.scene.planes), *shape), np.float32)
        valid = np.zeros(shape, bool)
        target: Target = (
            np.full(shape, -1, np.int64) if ground.legend else np.full(shape, np.nan, np.float32)
        )
        rows, cols = (
            slice(max(start, 0), min(start + window.side, n))
            for start, n in zip((window.row, window.col), ground.scene.shape, strict=True)
        )
        if rows.start >= rows.stop or cols.start >= cols.stop:
            return image, valid, target
        place = (
            slice(rows.start - window.row, rows.stop - window.row),
            slice(cols.start - window.col, cols.stop - window.col),
        )
        numbers, measured, labels = self._stored[window.scene].store.read(rows, cols)
        valid[place] = measured & self._territories[window.scene].mask(self._part, rows, cols)
        for plane, values, out in zip(ground.scene.planes, numbers, image, strict=True):
            out[place] = values * np.float32(plane.scale) + np.float32(plane.offset)
        target[place] = np.where(valid[place], labels, target[place])
        return image, valid, target


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of every band, and of a regression's labels, over training pixels.

    Attributes
    ----------
    mean, std : (bands,) in physical units.
    target : mean and standard deviation of the labels; None for classes.
    """

    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]
    target: tuple[float, float] | None = None

    @classmethod
    def measure(cls, reader: WindowReader, windows: Sequence[Window], seed: int) -> Scaling:
        """Measure over the valid pixels of windows: of all, or of 512 random ones where there are more.

        Raises
        ------
        OptionError
            When the labels of a regression are all the same.
        """
        if len(windows) > _MEASURED:
            chosen = np.random.default_rng(seed).permutation(len(windows))[:_MEASURED]
            windows = [windows[i] for i in sorted(chosen)]
        bands, labels = _Moments(), _Moments()
        for window in windows:
            image, valid, target = reader.read(window)
            bands.add(image[:, valid].astype(np.float64))
            if np.issubdtype(target.dtype, np.floating):
                labels.add(target[is_labelled(target)].astype(np.float64)[None])
        # A band that never varies says nothing: normalised it is 0, whatever it is divided by.
        std = np.where(bands.std > 0, bands.std, 1.0)
        if not labels.n:
            return cls(bands.mean, std)
        if not labels.std[0] > 0:
            raise OptionError(
                f"All labels have the same number, {labels.mean[0]:g}, so there is nothing to learn; "
                f"check the labels and their field."
            )
        return cls(bands.mean, std, (float(labels.mean[0]), float(labels.std[0])))

    def with_bands_of(self, bands: Sequence[Band], card: Card) -> Scaling:
        """The scaling with a model's own numbers for the bands that it has.

        Weights that go on from it expect them: what it called bright must stay as bright.
        """
        mean, std = self.mean.copy(), self.std.copy()
        for index, band in enumerate(bands):
            place = find_band(band, card.input_bands)
            if place is not None:
                mean[index], std[index] = card.bands[place].mean, card.bands[place].std
        return replace(self, mean=mean, std=std)

    def apply(self, image: Float, valid: Mask) -> Float:
        """Normalised values, 0 where not valid."""
        gain = (1.0 / self.std).astype(np.float32)[:, None, None]
        bias = (-self.mean / self.std).astype(np.float32)[:, None, None]
        return np.where(valid, image * gain + bias, np.float32(0.0))

    def apply_target(self, target: Target) -> Target:
        """Normalised numbers of a regression; classes as they are."""
        if self.target is None:
            return target
        mean, std = self.target
        return ((target - mean) / std).astype(np.float32)


class _Moments:
    """Mean and deviation of many (variables, samples), merged as Chan et al. (1983) do."""

    def __init__(self) -> None:
        self.n = 0
        self.mean = np.zeros(0)
        self._squares = np.zeros(0)

    def add(self, values: npt.NDArray[np.float64]) -> None:
        n = values.shape[1]
        if not n:
            return
        mean = values.mean(axis=1)
        squares = ((values - mean[:, None]) ** 2).sum(axis=1)
        if self.n:
            shift, total = mean - self.mean, self.n + n
            squares = self._squares + squares + shift**2 * self.n * n / total
            mean = self.mean + shift * n / total
        self.n, self.mean, self._squares = self.n + n, mean, squares

    @property
    def std(self) -> npt.NDArray[np.float64]:
        deviation: npt.NDArray[np.float64] = np.sqrt(self._squares / max(self.n, 1))
        return deviation


class TrainingPatches(Dataset[Sample]):
    """Varied patches, by (epoch, number).

    Parameters
    ----------
    patch : side of a patch in pixels.
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
    ) -> None:
        self._reader = reader
        self._sampler = sampler
        self._scaling = scaling
        self._augmentation = augmentation
        self._patch = patch
        self._seed = seed
        self._optics = Optics.of(reader.bands, scaling.mean, scaling.std)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """(bands, patch, patch) and (patch, patch) of one patch."""
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
    """Windows of a grid as they are, by number."""

    def __init__(self, reader: WindowReader, windows: Sequence[Window], scaling: Scaling) -> None:
        self._reader = reader
        self._windows = list(windows)
        self._scaling = scaling

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, number: int) -> Sample:
        """(bands, side, side) and (side, side) of one window."""
        image, valid, target = self._reader.read(self._windows[number])
        return self._scaling.apply(image, valid), self._scaling.apply_target(target)


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
