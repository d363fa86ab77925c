"""Patches for networks that learn what the pixel in the middle of a patch is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from georaster_dl.tiling.sampling import PatchSampler, Window
from georaster_dl.train.data.datasets import Sample, Target
from georaster_dl.train.data.labelled_scenes import is_labelled
from georaster_dl.train.data.scaling import Scaling
from georaster_dl.train.data.windows import WindowReader
from georaster_dl.train.transforms.augment import Augmentation, Optics

__all__ = ["CentrePatches"]


class CentrePatches(Dataset[Sample]):
    """Varied patches about a labelled pixel, by (epoch, number).

    The sampler says in which cell of the label counts the middle lies.

    Parameters
    ----------
    sampler : of kind ``balanced`` or ``random``.
    cells : side of a cell in pixels in each scene.
    patch : side of a patch in pixels, odd.
    balanced : whether each class that occurs in the cell has the same chance, or each labelled pixel.
    """

    def __init__(
        self,
        reader: WindowReader,
        sampler: PatchSampler,
        scaling: Scaling,
        augmentation: Augmentation,
        *,
        cells: Sequence[int],
        patch: int,
        seed: int,
        balanced: bool,
    ) -> None:
        self._reader = reader
        self._sampler = sampler
        self._scaling = scaling
        self._augmentation = augmentation
        self._cells = tuple(cells)
        self._patch = patch
        self._seed = seed
        self._balanced = balanced
        self._optics = Optics.of(reader.bands, scaling.mean, scaling.std)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """(bands, patch, patch), and the label of its middle, (1, 1)."""
        rng = np.random.default_rng([self._seed, *key])
        side = self._augmentation.window(rng, self._patch)
        scene, row, col = self._middle(rng, key[1])
        # Zoomed or turned, the middle pixel stays the middle.
        window = Window(scene, row - side // 2, col - side // 2, side)
        image, valid, target = self._reader.read(window)
        image, valid, target = self._augmentation.apply(
            rng,
            self._scaling.apply(image, valid),
            valid,
            self._scaling.apply_target(target),
            patch=self._patch,
            optics=self._optics,
        )
        middle = slice(self._patch // 2, self._patch // 2 + 1)
        return np.ascontiguousarray(image), np.ascontiguousarray(target[middle, middle])

    def _middle(self, rng: np.random.Generator, number: int) -> tuple[int, int, int]:
        """Scene, row and col of a labelled pixel."""
        drawn = self._sampler.draw(rng, number, 1)
        side = self._cells[drawn.scene]
        cell = Window(drawn.scene, drawn.row // side * side, drawn.col // side * side, side)
        labels = self._reader.read(cell)[2]
        rows, cols = np.nonzero(
            _of_one_class(rng, labels) if self._balanced else is_labelled(labels)
        )
        chosen = int(rng.integers(len(rows)))
        return cell.scene, cell.row + int(rows[chosen]), cell.col + int(cols[chosen])


def _of_one_class(rng: np.random.Generator, labels: Target) -> npt.NDArray[np.bool_]:
    """Where the labels are one of the classes that occur; of numbers, where there is one."""
    labelled = is_labelled(labels)
    if np.issubdtype(labels.dtype, np.floating):
        return labelled
    chosen: npt.NDArray[np.bool_] = labels == rng.choice(np.unique(labels[labelled]))
    return chosen
