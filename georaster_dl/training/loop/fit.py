"""The training loop: learning rate, epochs, and the weights of the best epoch."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812  the library's own convention
import torch
from lightning.pytorch.tuner.tuning import Tuner
from torch.utils.data import DataLoader

from georaster_dl.core.errors import GeoRasterError
from georaster_dl.core.events import Report, Warned
from georaster_dl.models.runtime.device import Device
from georaster_dl.training.data.datamodule import PatchDataModule
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.loop.learner import Learner
from georaster_dl.training.loop.run_folder import (
    RunFolder,
    finished_epoch,
    read_checkpoint,
    unusable_checkpoint,
)
from georaster_dl.training.loop.trainer import explain_errors, make_trainer

__all__ = ["fit", "restore_best"]

_TRIED_STEPS, _FASTEST, _FALLBACK_RATE = 80, 0.1, 1e-3


def fit(
    learner: Learner,
    data: TrainingData,
    device: Device,
    folder: RunFolder,
    report: Report,
    *,
    resume: bool,
) -> None:
    """Train the learner in place; it ends with the weights of the best epoch.

    Raises
    ------
    GeoRasterError
        When the device has too little memory, the folder cannot be written, or a checkpoint cannot
        be resumed.
    """
    trainer = make_trainer(data, device, folder, report)
    with explain_errors(folder, trainer, report):
        if learner.finds_rate and not resume:
            # All processes on the same patches: they have to find the same rate.
            batches = PatchDataModule(data, device).train_dataloader()
            rate = _find_learning_rate(learner, batches, trainer)
            report(Warned(f"learning rate found: {rate:.2g}"))
        last = folder.last if resume else None
        first_epoch = finished_epoch(last) + 1 if last else 0
        with _of_this_run(last, learner):
            trainer.fit(
                learner, datamodule=PatchDataModule(data, device, first_epoch), ckpt_path=last
            )
    restore_best(learner, folder)


def restore_best(learner: Learner, folder: RunFolder) -> None:
    """Restore the weights of the best epoch of a finished training, and the figures of all epochs.

    Raises
    ------
    OptionError
        When a checkpoint is damaged or of another run.
    """
    with _of_this_run(folder.best, None):
        learner.load_state_dict(read_checkpoint(folder.best)["state_dict"])
    learner.history = list(read_checkpoint(folder.last)["history"])


def _find_learning_rate(learner: Learner, training: DataLoader[Any], trainer: L.Trainer) -> float:
    """Raise the rate from step to step; set and return the rate at which the loss falls fastest."""
    device = trainer.strategy.root_device
    tried = L.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index] if device.type == "cuda" else 1,
        precision=trainer.precision,
        default_root_dir=trainer.default_root_dir,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    with redirect_stderr(io.StringIO()):  # its progress bar cannot be turned off
        found = Tuner(tried).lr_find(learner, training, max_lr=_FASTEST, num_training=_TRIED_STEPS)
    rate = found.suggestion() if found is not None else None
    learner.learning_rate = rate or _FALLBACK_RATE
    return learner.learning_rate


@contextmanager
def _of_this_run(checkpoint: Path | None, learner: Learner | None) -> Iterator[None]:
    """Explain errors before training goes on from a checkpoint: the checkpoint is of another run."""
    try:
        yield
    except (GeoRasterError, torch.OutOfMemoryError):
        raise
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        if checkpoint is None or (learner is not None and learner.begun):
            raise
        raise unusable_checkpoint(checkpoint, "is of another run") from error
