"""Lightning trainer with checkpoints, logs and progress events, and its errors explained."""

from __future__ import annotations

import io
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import lightning as L  # noqa: N812  the library's own convention
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint

from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.errors import DeviceError, OutputError
from georaster_dl.core.events import EpochEnded, Report, TrainingProgressed, Warned
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.models.runtime.device import Device
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.loop.learner import SCORE, Learner
from georaster_dl.training.loop.run_folder import RunFolder, read_checkpoint
from georaster_dl.training.pace.average import RunningAverage
from georaster_dl.training.pace.course import Course
from georaster_dl.training.settings.config import TrainingSection

__all__ = ["AtomicCheckpoints", "explain_errors", "make_trainer"]

_PRECISIONS: dict[torch.dtype, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    torch.float32: "32-true",
    torch.bfloat16: "bf16-mixed",
    torch.float16: "16-mixed",
}


def make_trainer(
    data: TrainingData, device: Device, folder: RunFolder, report: Report
) -> L.Trainer:
    """Make the trainer of a run: best and last checkpoint, early stopping, logs, progress."""
    training = data.config.training
    devices = _devices(training, device)
    where: dict[str, Any] = {
        "dirpath": folder.checkpoints,
        "enable_version_counter": False,
        "save_on_train_epoch_end": True,
    }
    best = ModelCheckpoint(filename=folder.best.stem, monitor=SCORE, mode="max", **where)
    # Lightning's own save_last comes only with a better score.
    last = ModelCheckpoint(filename=folder.last.stem, **where)
    course = Course(training, SCORE)
    stop = EarlyStopping(
        SCORE, mode="max", patience=training.patience, check_on_train_epoch_end=True
    )
    rehearses = data.rehearsed is not None
    average = [RunningAverage(from_start=rehearses)] if training.average else []
    ends = course if training.schedule == "plateau" else stop
    with _quiet():
        return L.Trainer(
            accelerator="gpu" if device.is_cuda else "cpu",
            devices=devices,
            strategy="ddp" if isinstance(devices, int) and devices > 1 else "auto",
            precision=_PRECISIONS[device.dtype],
            max_epochs=training.epochs,
            gradient_clip_val=training.clip,
            logger=False,
            callbacks=[*average, ends, best, last, ProgressCallback(folder, report, data, course)],
            plugins=[AtomicCheckpoints()],
            default_root_dir=folder.path,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # EpochSampler shares out by itself
            log_every_n_steps=10,
        )


def _devices(training: TrainingSection, device: Device) -> int | list[int]:
    """Choose the GPU that is named, or the number of devices."""
    if ":" in training.device:
        return [int(training.device.partition(":")[2])]
    return training.devices or (torch.cuda.device_count() if device.is_cuda else 1)


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that replace the one before only when they are complete, and that run no code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_atomically(Path(path), content.getbuffer())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read numbers and texts of a checkpoint; ``weights_only`` is ignored."""
        checkpoint = read_checkpoint(Path(path))
        _moved(checkpoint["callbacks"], os.path.realpath(Path(path).parent))
        return checkpoint


class ProgressCallback(Checkpoint):
    """Reports start, progress and epochs of a run, and updates log and curves.

    Lightning calls what it takes for a checkpoint after all else, in the order given: an epoch that was told is saved.

    Parameters
    ----------
    course : knows how many epochs there will be at most.
    """

    def __init__(
        self, folder: RunFolder, report: Report, data: TrainingData, course: Course
    ) -> None:
        self._folder = folder
        self._report = report
        self._data = data
        self._course = course
        self._begun = time.monotonic()
        self._first = 0
        self._terminate: Any = signal.SIG_DFL

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the handler of SIGTERM."""
        self._terminate = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restore the handler of SIGTERM, and note the time."""
        # Lightning's own handler waits for the other processes, which wait for this one.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._terminate)
        self._begun, self._first = time.monotonic(), trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Report the progress in batches."""
        if not trainer.is_global_zero:
            return
        done, total, left = self._left(trainer)
        score = trainer.callback_metrics.get(SCORE)
        progress = TrainingProgressed(
            done=done,
            total=total,
            seconds_left=left,
            loss=round(float(trainer.callback_metrics["batch_loss"]), 4),
            score=None if score is None else round(float(score), 4),
        )
        self._report(progress)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write log and curves, and report the epoch's figures."""
        if not trainer.is_global_zero or not isinstance(pl_module, Learner):
            return
        history = pl_module.history
        score = pl_module.objective.score_name
        self._folder.write_history(history, score)
        ended = EpochEnded(
            **history[-1],
            epochs=self._course.epochs,
            score=score,
            seconds_left=self._left(trainer)[2],
            member=None,
            members=None,
        )
        self._report(ended)

    def _left(self, trainer: L.Trainer) -> tuple[int, int, float]:
        """Count the batches done and all at most, and estimate the seconds that are left."""
        done = trainer.global_step
        total = self._course.epochs * int(trainer.num_training_batches)
        step = (time.monotonic() - self._begun) / max(done - self._first, 1)
        return done, total, round(self._course.seconds_left((total - done) * step), 1)


def _moved(callbacks: dict[str, Any], folder: str) -> None:
    """Set the folder in the states of Lightning's checkpoints, which of another one would forget the best epoch."""
    for state in callbacks.values():
        if "dirpath" not in state:
            continue
        for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
            state[key] = state[key] and str(Path(folder, Path(state[key]).name))
        state["best_k_models"] = {
            str(Path(folder, Path(path).name)): score
            for path, score in state["best_k_models"].items()
        }
        state["dirpath"] = folder


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's advice to developers."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def explain_errors(folder: RunFolder, trainer: L.Trainer, report: Report) -> Iterator[None]:
    """Turn errors inside the trainer into GeoRasterError, and Lightning's exit on Ctrl-C into KeyboardInterrupt."""
    try:
        with _quiet():
            yield
    except BaseException as error:
        _end_others(trainer)
        # The terminal interrupts all processes; the first reports it.
        if isinstance(error, SystemExit) and trainer.is_global_zero:
            if folder.resume_hint:
                report(Warned(folder.resume_hint.strip()))
            raise KeyboardInterrupt from error
        if isinstance(error, torch.OutOfMemoryError):
            raise DeviceError(
                f"The device ran out of memory; lower training.batch or patches.size, or use another "
                f"device.{folder.resume_hint}"
            ) from error
        if isinstance(error, OSError) and (isinstance(error, OutputError) or error.errno):
            output_error = (
                error if isinstance(error, OutputError) else explain_os_error(error, folder.path)
            )
            raise OutputError(f"{output_error}{folder.resume_hint}") from error
        raise


def _end_others(trainer: L.Trainer) -> None:
    """Kill the other processes of the training, which would wait for this process for ever."""
    for process in getattr(trainer.strategy.launcher, "procs", ()):
        process.kill()
        process.wait()
