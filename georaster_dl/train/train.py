"""Train a network on scenes, mostly with labels: the public function behind ``geodl train``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning as L  # noqa: N812  the library's own convention
import torch

from georaster_dl.core.errors import GeoRasterError, OptionError
from georaster_dl.core.events import Report, no_report, warner
from georaster_dl.io.output.staging import FailedOutput, check_local
from georaster_dl.models.package.card import Card
from georaster_dl.models.runtime.device import Device
from georaster_dl.train.data.cache import CacheFolder
from georaster_dl.train.data.plan import TrainingPlan, make_training_plan
from georaster_dl.train.data.sources import SceneWithLabels
from georaster_dl.train.loop.learner import SCORE, Learner
from georaster_dl.train.loop.run_folder import (
    RunFolder,
    finished_epoch,
    read_checkpoint,
    unusable_checkpoint,
)
from georaster_dl.train.loop.setup import Setup, check_network
from georaster_dl.train.loop.trainer import explain_errors, find_learning_rate, make_trainer
from georaster_dl.train.result.package import package_model
from georaster_dl.train.settings.config import TrainConfig
from georaster_dl.train.settings.resolve import resolve_defaults

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """What a run made.

    Attributes
    ----------
    card : of the packaged model.
    model, folder : the package, and the run's folder beside it.
    history : figures of each epoch.
    failed : files of the folder that could not be written (curves, log, map of the split); each was told
        of as a warning.
    """

    card: Card
    model: Path
    folder: Path
    history: list[dict[str, float]]
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def train(
    pairs: Sequence[SceneWithLabels],
    model: Path,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    report: Report = no_report,
) -> Trained:
    """Train a model on the user's own scenes and package it with what was measured.

    Parameters
    ----------
    pairs : scenes with their labels, which the task ``autoencoder`` does without.
    model : package to write; checkpoints and logs go to ``<name>_run`` beside it.
    resume : continue the run that is in that folder; the result is that of an unbroken run.
    report : called with ``start``, ``progress``, ``epoch`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes, labels, settings, outputs or the device. The checkpoints of
        finished epochs stay.
    """
    config = resolve_defaults(config or TrainConfig())
    begun = time.monotonic()
    leader = os.environ.get("LOCAL_RANK", "0") == "0"  # of the processes that train together
    if not leader:
        report = no_report
    warn = warner(report)
    folder = RunFolder(model, warn)
    if resume and model.exists() and not overwrite:
        raise OptionError(f"--resume has nothing to do: {model} is finished.")
    _check_output(model, overwrite=overwrite or not leader)
    if resume:
        folder.resume(config)
    elif leader:
        folder.check_free(overwrite=overwrite)

    device = Device.choose(config.training.device, config.training.precision)
    centred = check_network(config)
    with CacheFolder(model, leader=leader) as store:
        plan = make_training_plan(pairs, config, store, warn, centred=centred)
        setup = Setup(plan, device)
        learner = setup.learner()
        if leader and not resume:
            named = zip(plan.grounds, plan.masks, strict=True)
            masks = {g.scene.name: (g.scene.geobox, t) for g, t in named}
            folder.begin(config, masks, overwrite=overwrite)
        trainer = make_trainer(plan, device, folder, report)
        _fit(learner, setup, trainer, folder, resume, warn)
        if not leader:
            sys.exit(0)
        facts = _facts(learner, setup, device, time.monotonic() - begun)
        facts["patches"] = _chosen(plan, learner)
        card = package_model(plan, setup.scaling, learner.network, device, model, facts)
    seconds = time.monotonic() - begun
    return Trained(card, model, folder.path, learner.history, seconds, folder.extras.failed)


def _fit(
    learner: Learner,
    setup: Setup,
    trainer: L.Trainer,
    folder: RunFolder,
    resume: bool,
    warn: Callable[[str], None],
) -> None:
    """Train; the learner comes back with the weights of the best epoch."""
    with explain_errors(folder, trainer):
        if learner.finds_rate and not resume:
            # All processes on the same patches: they have to find the same rate.
            found = find_learning_rate(learner, setup.training_loader(setup.sampler()), trainer)
            warn(f"learning rate found: {found:.2g}")
        last = folder.last if resume else None
        sampler = setup.sampler(trainer.global_rank, trainer.world_size)
        if last:
            # Lightning says which epoch it is only after the readers took their first patches.
            sampler.set_epoch(finished_epoch(last) + 1)
        training = setup.training_loader(sampler)
        validation = setup.validation_loader()
        with _of_this_run(last, learner):
            trainer.fit(learner, training, validation, ckpt_path=last)
    with _of_this_run(folder.best, None):
        learner.load_state_dict(read_checkpoint(folder.best)["state_dict"])


@contextmanager
def _of_this_run(checkpoint: Path | None, learner: Learner | None) -> Iterator[None]:
    """Explain what goes wrong until training goes on from a checkpoint: that is another run's."""
    try:
        yield
    except (GeoRasterError, torch.OutOfMemoryError):
        raise
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        if checkpoint is None or (learner is not None and learner.begun):
            raise
        raise unusable_checkpoint(checkpoint, "is of another run") from error


def _facts(learner: Learner, setup: Setup, device: Device, seconds: float) -> dict[str, str]:
    """What the card says of how it went."""
    best = max(learner.history, key=lambda entry: entry[SCORE])
    facts = {
        "epochs": f"{len(learner.history)}, the best was {int(best['epoch']) + 1}",
        "time": f"{seconds / 60:.1f} min on {device.name}",
    }
    return facts | ({"started": "; ".join(setup.taken)} if setup.taken else {})


def _chosen(plan: TrainingPlan, learner: Learner) -> str:
    """What the plan chose where the settings left it open."""
    return (
        f"{plan.per_epoch} of {plan.patch} x {plan.patch} pixels an epoch, batches of "
        f"{plan.config.training.batch}, learning rate {learner.learning_rate:.2g}"
    )


def _check_output(model: Path, *, overwrite: bool) -> None:
    check_local(model)
    if model.suffix != ".safetensors":
        raise OptionError(
            f"-o makes a model package, but its name is {model}; end it in .safetensors."
        )
    if model.exists() and not overwrite:
        raise OptionError(f"The output {model} exists; give another name or use --overwrite.")
    if not model.absolute().parent.is_dir():
        raise OptionError(f"The folder {model.absolute().parent} does not exist; make it first.")
