"""Loaders of training and validation batches, as Lightning takes them."""

from __future__ import annotations

import os
from typing import Any

import lightning as L  # noqa: N812  the library's own convention
from torch.utils.data import DataLoader

from georaster_dl.models.runtime.device import Device
from georaster_dl.tiling.split_blocks import VALIDATION
from georaster_dl.training.data.datasets import EpochSampler, EvaluationPatches, training_patches
from georaster_dl.training.data.training_data import TrainingData

__all__ = ["PatchDataModule"]

_VALIDATION_WINDOWS = 256  # of an epoch's validation; the test part is measured whole
_VALIDATION_DRAWS = 4  # at least, of windows with input noise


class PatchDataModule(L.LightningDataModule):
    """Batches of patches for a trainer.

    Parameters
    ----------
    first_epoch : epoch of the first patches.
    """

    def __init__(self, data: TrainingData, device: Device, first_epoch: int = 0) -> None:
        super().__init__()
        self._data = data
        self._device = device
        self._first_epoch = first_epoch

    def train_dataloader(self) -> DataLoader[Any]:
        """Make batches of augmented patches; of several processes each gets its share."""
        trainer = self.trainer
        rank, world = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        sampler = EpochSampler(self._data, rank=rank, world=world)
        # Lightning sets the epoch only after the readers took their first patches.
        sampler.set_epoch(self._first_epoch)
        batch = self._data.config.training.batch
        return self._loader(training_patches(self._data), batch, sampler=sampler, drop_last=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Make batches of windows that cover the labels of the validation part, or many of them."""
        patches = EvaluationPatches(
            self._data,
            VALIDATION,
            most=_VALIDATION_WINDOWS,
            noise_draws=_VALIDATION_DRAWS,
            boundaries=True,
        )
        return self._loader(patches, max(1, self._data.config.training.batch // 4))

    def _loader(self, patches: Any, batch: int, **more: Any) -> DataLoader[Any]:
        workers = self._data.config.training.workers
        workers = _default_workers(self._device) if workers is None else workers
        return DataLoader(
            patches,
            batch_size=batch,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=self._device.is_cuda,
            **more,
        )


def _default_workers(device: Device) -> int:
    """Choose few processes: reading is cheap, and on the CPU they take the network's own cores.

    With two cores none at all: reading in between costs less than threads that wait for each other.
    """
    cores = os.cpu_count() or 2
    if not device.is_cuda and cores <= 2:
        return 0
    return min(4, max(1, cores // 2))
