"""Training of the networks of a run: a single one, or the members of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from georaster_dl.core.events import EpochEnded, Event, Report, TrainingProgressed
from georaster_dl.models.runtime.device import Device
from georaster_dl.models.zoo.ensemble import Ensemble
from georaster_dl.tiling.split_blocks import TRAIN
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.loop.fit import fit, restore_best
from georaster_dl.training.loop.learner import Learner
from georaster_dl.training.loop.network import build_network
from georaster_dl.training.loop.objective import make_objective
from georaster_dl.training.loop.run_folder import RunFolder

__all__ = ["FittedNetwork", "fit_networks", "joined", "make_learner"]


@dataclass(frozen=True)
class FittedNetwork:
    """A trained network, the figures of its epochs, and the largest learning rate."""

    network: nn.Module
    history: list[dict[str, float]]
    learning_rate: float


def make_learner(data: TrainingData, member: int = 0) -> tuple[Learner, list[str]]:
    """Build the network of the data in a learner; with lines that describe the weights it starts from.

    Parameters
    ----------
    member : number of the network in its ensemble, from 0.

    Raises
    ------
    GeoRasterError
        When the network cannot be built, or not start from the weights.
    """
    network, started = build_network(data, member)
    cells = sum(len(index.rows) for index in data.split.indexes(TRAIN))
    return Learner(network, make_objective(data), data.config, cells=cells), started


def fit_networks(
    first: Learner,
    data: TrainingData,
    device: Device,
    folder: RunFolder,
    report: Report,
    *,
    resume: bool,
) -> list[FittedNetwork]:
    """Train the network of a run, or the networks of its ensemble, which only differ in the seed.

    Parameters
    ----------
    first : the learner of the first network.

    Raises
    ------
    GeoRasterError
        As ``fit``.
    """
    parts = folder.parts(data.config)
    fitted = []
    for number, part in enumerate(parts):
        own = replace(data, config=data.config.updated({"seed": data.config.seed + number}))
        learner = make_learner(own, number)[0] if number else first
        if resume and any(later.begun for later in parts[number + 1 :]):
            restore_best(learner, part)  # it was finished before the next one began
        else:
            part.make()
            told = report if len(parts) == 1 else _of_member(report, number, len(parts))
            fit(learner, own, device, part, told, resume=resume and part.last.exists())
        fitted.append(FittedNetwork(learner.network, learner.history, learner.learning_rate))
    return fitted


def joined(fitted: Sequence[FittedNetwork], data: TrainingData) -> nn.Module:
    """Join the networks into the one to package: their ensemble, where there are several."""
    if len(fitted) == 1:
        return fitted[0].network
    spread = data.config.task in ("regression", "fractions")
    return Ensemble([each.network for each in fitted], spread=spread)


def _of_member(report: Report, number: int, count: int) -> Report:
    """Report the events of one network as parts of the run."""

    def told(event: Event) -> None:
        match event:
            case EpochEnded():
                event = replace(event, member=number + 1, members=count)
            case TrainingProgressed():
                left = event.seconds_left / max(event.total - event.done, 1)  # a batch
                done, total = event.done + number * event.total, count * event.total
                seconds = round((total - done) * left, 1)
                event = replace(event, done=done, total=total, seconds_left=seconds)
        report(event)

    return told
