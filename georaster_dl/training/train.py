"""Train a network on scenes, mostly with labels: the public function behind ``geodl train``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, TrainingStarted, no_report, warner
from georaster_dl.core.wording import counted
from georaster_dl.io.output.staging import FailedOutput
from georaster_dl.models.package.card import Card
from georaster_dl.models.runtime.device import Device
from georaster_dl.training.before import check_folder, check_output, is_leader, resolved
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import TrainingData, load_training_data
from georaster_dl.training.loop.learner import SCORE, Learner
from georaster_dl.training.loop.members import (
    FittedNetwork,
    fit_networks,
    joined,
    make_learner,
)
from georaster_dl.training.loop.network import check_network
from georaster_dl.training.loop.run_folder import RunFolder
from georaster_dl.training.rehearsal.forgetting import forgetting, ground_scores, lineage
from georaster_dl.training.rehearsal.keeping import keep_reservoir
from georaster_dl.training.result.package import package_model
from georaster_dl.training.result.trackers import tracking
from georaster_dl.training.rivals.beside import Beside, fit_beside
from georaster_dl.training.rivals.comparison import Comparison
from georaster_dl.training.rivals.fit import Rival
from georaster_dl.training.search.trials import search_settings
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import trains_network

__all__ = ["Trained", "train"]


@dataclass(frozen=True, repr=False)
class Trained:
    """Result of a training run.

    Attributes
    ----------
    card : of the packaged model.
    model, folder : the package, and the run's folder beside it.
    history : figures of each epoch; of an ensemble with the number of its ``member``, from 1; none where no
        network was trained.
    failed : files of the folder that could not be written (curves, log, map of the split), each
        reported by a warning.
    comparison : of the network with a forest and a support vector machine; None where there was none.
    """

    card: Card
    model: Path
    folder: Path
    history: list[dict[str, float]]
    seconds: float
    failed: tuple[FailedOutput, ...] = ()
    comparison: Comparison | None = None

    def __repr__(self) -> str:
        """Package, epochs and the first metrics, in one line."""
        metrics = [f"{name} {value:.3g}" for name, value in list(self.card.metrics.items())[:2]]
        epochs = counted(len(self.history), "epoch")
        return f"<Trained {self.model}: {', '.join(metrics)}; {epochs} in {self.seconds:.0f} s>"


def train(
    pairs: Sequence[SceneWithLabels],
    model: Path,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    report: Report = no_report,
) -> Trained | None:
    """Train a model on labelled scenes, test it and write its package.

    Parameters
    ----------
    pairs : scenes with their labels, which the task ``autoencoder`` does without.
    model : package to write; checkpoints and logs go to ``<name>_run`` beside it.
    resume : continue the run that is in that folder; the result is that of an unbroken run.
    report : called with ``start``, ``progress``, ``epoch`` and ``warning`` events.

    Returns
    -------
    The result; None in the processes that training on several GPUs adds to the first.

    Raises
    ------
    GeoRasterError
        When scenes, labels, settings, outputs or the device cannot be used. The checkpoints of
        finished epochs stay.
    """
    begun = time.monotonic()
    leader = is_leader()
    report = report if leader else no_report
    warn = warner(report)
    folder = RunFolder(model, warn)
    if leader:
        check_output(model, resume=resume, overwrite=overwrite)
    asked = config or TrainConfig()
    config = resolved(asked, pairs, folder.settings if resume else None, warn)
    if leader:
        check_folder(folder, config, resume=resume, overwrite=overwrite)

    device = Device.choose(config.training.device, config.training.precision)
    centred = check_network(config) if trains_network(config) else None
    with CacheFolder(model, leader=leader) as cache:
        data = load_training_data(pairs, config, cache, warn, centred=centred)
        learner, started = make_learner(data) if trains_network(config) else (None, [])
        if leader and not resume:
            folder.begin(config, data.split, overwrite=overwrite)
        report(_started(data, device, learner))
        beside = fit_beside(data, report) if leader else None
        before, learning = ground_scores(data, learner, device), time.monotonic()
        found = search_settings(asked, data, device, folder, report)
        if found:
            data, started = found.data, found.started
        with tracking(data.config, folder, report, name=model.stem, active=leader) as tracked:
            fitted: list[FittedNetwork] = [found.network] if found else []
            if learner is not None and not found:
                fitted = fit_networks(learner, data, device, folder, tracked, resume=resume)
            if not leader:
                return None
            made, comparison = _compared(fitted, data, beside, time.monotonic() - learning, device)
            notes = _notes(fitted, data, started) | ({"search": found.note} if found else {})
            notes |= lineage(data) | _kept_patches(data, folder) | _time(begun, device)
            further = forgetting(before, learner, data, device, warn)
            card = package_model(data, made, device, model, notes, comparison, further)
            tracked.result(card.metrics)
    if comparison is not None:
        comparison.write(folder, warn)
    history, seconds = _history(fitted), time.monotonic() - begun
    return Trained(card, model, folder.path, history, seconds, folder.extras.failed, comparison)


def _compared(
    fitted: Sequence[FittedNetwork],
    data: TrainingData,
    beside: Beside | None,
    seconds: float,
    device: Device,
) -> tuple[nn.Module | Rival, Comparison | None]:
    """Choose the network or a classifier to package, with the comparison that chose."""
    network = joined(fitted, data) if fitted else None
    if beside is None:
        if network is not None:
            return network, None
        raise OptionError(
            f"`method='{data.config.method}'` needs training pixels of every class, but the split leaves some class "
            f"without; label more places, or use `method='rf'`."
        )
    comparison, rival = beside.compare(network, seconds, device)
    made = network if rival is None else rival
    assert made is not None
    return made, comparison


def _started(data: TrainingData, device: Device, learner: Learner | None) -> TrainingStarted:
    """Describe data and network of a training that begins."""
    counts = data.label_counts()
    return TrainingStarted(
        device=device.name,
        weights=0 if learner is None else sum(p.numel() for p in learner.network.parameters()),
        patch=data.patch,
        per_epoch=data.per_epoch,
        epochs=0 if learner is None else data.config.training.epochs,
        split=data.split.note,
        labelled=None if data.unlabelled else counts,
        valid=counts if data.unlabelled else None,
    )


def _history(fitted: Sequence[FittedNetwork]) -> list[dict[str, float]]:
    """Figures of all epochs, with the number of the member where there are several."""
    if len(fitted) == 1:
        return fitted[0].history
    return [
        {"member": float(number), **entry}
        for number, each in enumerate(fitted, 1)
        for entry in each.history
    ]


def _notes(
    fitted: Sequence[FittedNetwork],
    data: TrainingData,
    started: Sequence[str],
) -> dict[str, str]:
    """Describe epochs, initial weights, patches and learning rate of the network, for the card."""
    if not fitted:
        return {}
    best = [max(each.history, key=lambda entry: entry[SCORE])["epoch"] for each in fitted]
    epochs = ", ".join(str(len(each.history)) for each in fitted)
    numbers = ", ".join(f"{epoch + 1:.0f}" for epoch in best)
    return {
        "epochs": f"{epochs}, the best was {numbers}"
        if len(fitted) == 1
        else f"{epochs} of {len(fitted)} members, of which the best were {numbers}",
        **({"started": "; ".join(started)} if started else {}),
        "patches": f"{data.per_epoch} of {data.patch} x {data.patch} pixels an epoch, batches of "
        f"{data.config.training.batch}, learning rate {fitted[0].learning_rate:.2g}",
    }


def _time(begun: float, device: Device) -> dict[str, str]:
    """Describe duration and device of the run, for the card."""
    return {"time": f"{(time.monotonic() - begun) / 60:.1f} min on {device.name}"}


def _kept_patches(data: TrainingData, folder: RunFolder) -> dict[str, str]:
    """Write patches of an autoencoder's scenes for runs that go on from it, and describe them for the card."""
    if not data.unlabelled:
        return {}
    notes: dict[str, str] = {}
    with folder.extras.making(folder.rehearsal):
        notes["rehearsal"] = keep_reservoir(data, folder.rehearsal).description
    return notes
