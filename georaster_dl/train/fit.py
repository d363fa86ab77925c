"""Train a network on scenes with labels: the public function behind ``geodl train``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L  # noqa: N812  the library's own convention
import torch

from georaster_dl.errors import OptionError
from georaster_dl.io.territories import write_territories
from georaster_dl.models.card import Card
from georaster_dl.models.device import Device
from georaster_dl.models.package import find_model, read_card
from georaster_dl.train.config import TrainConfig
from georaster_dl.train.finish import finish
from georaster_dl.train.learner import SCORE, Learner
from georaster_dl.train.pairs import Pair
from georaster_dl.train.plan import make_training_plan
from georaster_dl.train.run_folder import RunFolder
from georaster_dl.train.setup import NO_PACKAGE, Setup
from georaster_dl.train.trainer import Report, explained, find_learning_rate, make_trainer

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """What a run made.

    Attributes
    ----------
    card : of the packaged model.
    model, folder : the package, and the run's folder beside it.
    history : figures of each epoch.
    """

    card: Card
    model: Path
    folder: Path
    history: list[dict[str, float]]
    seconds: float


def train(
    pairs: Sequence[Pair],
    model: Path,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    report: Report = lambda _event, _facts: None,
) -> Trained:
    """Train a model on the user's own labels and package it with what was measured.

    Parameters
    ----------
    pairs : scenes with their labels.
    model : package to write; checkpoints and logs go to ``<name>_run`` beside it.
    resume : continue the run that is in that folder; the result is that of an unbroken run.
    report : called with ``start``, ``progress``, ``epoch`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes, labels, settings, outputs or the device. The checkpoints of
        finished epochs stay.
    """
    config = _with_start(config or TrainConfig())
    begun = time.monotonic()
    folder = RunFolder(model)
    leader = os.environ.get("LOCAL_RANK", "0") == "0"  # of the processes that train together
    _check_output(model, overwrite=overwrite or not leader)
    if resume:
        folder.resume(config)

    def warn(message: str) -> None:
        if leader:
            report("warning", {"message": message})

    device = Device.choose(config.training.device, config.training.precision)
    plan = make_training_plan(pairs, config, warn)
    if leader and not resume:
        folder.begin(config, overwrite=overwrite)
        named = zip(plan.grounds, plan.territories, strict=True)
        write_territories(folder.split, {g.scene.name: (g.scene.geobox, t) for g, t in named})
    setup = Setup(plan, device)
    learner = _fit(setup, make_trainer(plan, device, folder, report), folder, resume, warn)
    if not leader:
        sys.exit(0)
    facts = _facts(learner, setup, device, time.monotonic() - begun)
    card = finish(plan, setup.scaling, learner.network, device, model, facts)
    return Trained(card, model, folder.path, learner.history, time.monotonic() - begun)


def _fit(
    setup: Setup, trainer: L.Trainer, folder: RunFolder, resume: bool, warn: Callable[[str], None]
) -> Learner:
    """Train; the learner comes back with the weights of the best epoch."""
    with explained(folder):
        learner = setup.learner()
        training = setup.training_loader(setup.sampler(trainer.global_rank, trainer.world_size))
        if learner.finds_rate and not resume:
            warn(f"learning rate found: {find_learning_rate(learner, training, trainer):.2g}")
        validation = setup.validation_loader()
        last = folder.last if resume else None
        trainer.fit(learner, training, validation, ckpt_path=last, weights_only=False)
    best = torch.load(folder.best, map_location="cpu", weights_only=False)
    learner.load_state_dict(best["state_dict"])
    return learner


def _facts(learner: Learner, setup: Setup, device: Device, seconds: float) -> dict[str, str]:
    """What the card says of how it went."""
    best = max(learner.history, key=lambda entry: entry[SCORE])
    facts = {
        "epochs": f"{len(learner.history)}, the best was {int(best['epoch']) + 1}",
        "time": f"{seconds / 60:.1f} min on {device.name}",
    }
    return facts | ({"started from": "; ".join(setup.taken)} if setup.taken else {})


def _check_output(model: Path, *, overwrite: bool) -> None:
    if model.suffix != ".safetensors":
        raise OptionError(
            f"-o makes a model package, but its name is {model}; end it in .safetensors."
        )
    if model.exists() and not overwrite:
        raise OptionError(f"The output {model} exists; give another name or use --overwrite.")
    if not model.absolute().parent.is_dir():
        raise OptionError(f"The folder {model.absolute().parent} does not exist; make it first.")


def _with_start(config: TrainConfig) -> TrainConfig:
    """The settings with the architecture of the package to start from, where none was chosen."""
    weights = config.start.weights
    if weights in NO_PACKAGE or config.model.model_fields_set & {"architecture", "encoder"}:
        return config
    stated = read_card(find_model(weights)).architecture
    chosen = {"model.architecture": stated.name, "model.options": stated.options}
    return config.updated(chosen | ({"model.encoder": stated.encoder} if stated.encoder else {}))
