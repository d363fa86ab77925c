"""Trackers of experiments beside the run folder: TensorBoard, MLflow, Weights & Biases.

They are given settings, figures of epochs and figures of the test as events come. Where they write, and whether they send
anything, is up to their own environment variables; without these MLflow writes into the run folder.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import EpochEnded, Event, Report, TrainingProgressed, warner
from georaster_dl.training.loop.run_folder import RunFolder
from georaster_dl.training.settings.checks import tracker_names
from georaster_dl.training.settings.config import TrainConfig

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

__all__ = ["Tracked", "tracking"]

_EVERY = 10  # batches, the loss of one is tracked
_HINTS = {
    "mlflow": "check MLFLOW_TRACKING_URI, or leave it unset for mlflow.db in the run folder",
    "wandb": "log in by `wandb login`, or set WANDB_MODE=offline for files in the run folder",
}
_SILENT = {  # unless the user has set them: usage statistics, reports of crashes, greetings
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
}


class Tracked:
    """Report that hands events on and tracks their figures; a tracker that fails is given up with a warning."""

    def __init__(self, loggers: Mapping[str, Logger], report: Report) -> None:
        self._loggers = dict(loggers)
        self._report = report
        self._step = 0

    def __call__(self, event: Event) -> None:
        """Take an event of a training."""
        match event:
            case TrainingProgressed():
                self._step = event.done
                if event.done % _EVERY == 0:
                    self._log({"batch_loss": event.loss})
            case EpochEnded():
                figures = {key: getattr(event, key) for key in _EPOCH}
                self._log({**figures, **({"member": event.member} if event.member else {})})
        self._report(event)

    def result(self, metrics: Mapping[str, float]) -> None:
        """Track the figures of the finished model."""
        # Not every tracker takes other signs in names.
        self._log({re.sub(r"[^\w. /-]", "", name): value for name, value in metrics.items()})

    def _log(self, figures: dict[str, float]) -> None:
        self._each(lambda logger: logger.log_metrics(figures, self._step))

    def close(self, status: str) -> None:
        """End the trackers' runs: ``success`` or ``failed``."""
        self._each(lambda logger: _close(logger, status))

    def _each(self, act: Callable[[Logger], None]) -> None:
        for name, logger in list(self._loggers.items()):
            try:
                with _quiet():
                    act(logger)
            except Exception as error:  # noqa: BLE001  whatever a tracker raises, the training goes on
                del self._loggers[name]
                warner(self._report)(f"{name} takes no figures any more: {_first_line(error)}")


_EPOCH = ("epoch", "loss", "val_loss", "val_score", "learning_rate")


@contextmanager
def tracking(
    config: TrainConfig, folder: RunFolder, report: Report, *, name: str, active: bool = True
) -> Iterator[Tracked]:
    """Begin the trackers of the settings, and end them with the block.

    Parameters
    ----------
    report : that events are handed on to.
    name : of the run, for people.
    active : whether this process has trackers; of several that train together only the first has.

    Raises
    ------
    OptionError
        When a tracker cannot begin, for example without a login.
    """
    with _environment():
        loggers = {
            kind: _begun(kind, config, folder, name)
            for kind in tracker_names(config.training)
            if active
        }
        tracked = Tracked(loggers, report)
        try:
            yield tracked
        except BaseException:
            tracked.close("failed")
            raise
        tracked.close("success")


def _begun(kind: str, config: TrainConfig, folder: RunFolder, name: str) -> Logger:
    """Make a tracker and give it the settings."""
    try:
        with _quiet():
            logger = _logger(kind, folder, name)
            logger.log_hyperparams(config.flat())
    except Exception as error:  # the trackers' own kinds, which need not be imported here
        hint = _HINTS.get(kind, "leave it out")
        raise OptionError(f"{kind} cannot begin ({_first_line(error)}); {hint}.") from error
    return logger


def _logger(kind: str, folder: RunFolder, name: str) -> Logger:
    from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger

    if kind == "tensorboard":
        return TensorBoardLogger(
            folder.path, name="", version=folder.tensorboard.name, default_hp_metric=False
        )
    if kind == "mlflow":
        own = folder.path.absolute()
        where = os.environ.get("MLFLOW_TRACKING_URI")
        return MLFlowLogger(
            "georaster_dl",
            run_name=name,
            tracking_uri=where or f"sqlite:///{(own / 'mlflow.db').as_posix()}",
            artifact_location=None if where else (own / "mlruns").as_uri(),
        )
    return WandbLogger(name=name, project="georaster_dl", save_dir=folder.path)


def _close(logger: Logger, status: str) -> None:
    from lightning.pytorch.loggers import WandbLogger

    logger.finalize(status)
    if isinstance(logger, WandbLogger):
        logger.experiment.finish(int(status != "success"))  # else the next run would go on with it


@contextmanager
def _environment() -> Iterator[None]:
    """Keep trackers from sending usage statistics, where the user has not said otherwise."""
    added = {key: value for key, value in _SILENT.items() if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            os.environ.pop(key, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence advice to developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
