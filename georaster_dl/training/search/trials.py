"""Trials of a search: networks with settings of their own, judged on the validation part."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from georaster_dl.core.errors import DeviceError, OptionError
from georaster_dl.core.events import (
    EpochEnded,
    Event,
    Report,
    TrainingProgressed,
    TrialEnded,
    Warned,
)
from georaster_dl.core.wording import counted
from georaster_dl.models.runtime.device import Device
from georaster_dl.tiling.split_blocks import NO_PART, TEST, SplitMask
from georaster_dl.training.data.training_data import TrainingData, with_settings
from georaster_dl.training.loop.fit import fit, restore_best
from georaster_dl.training.loop.members import FittedNetwork, make_learner
from georaster_dl.training.loop.objective import make_objective
from georaster_dl.training.loop.run_folder import RunFolder
from georaster_dl.training.result.trackers import tracking
from georaster_dl.training.search.results import write_results
from georaster_dl.training.search.space import Space, Value, make_space
from georaster_dl.training.search.study import EndedTrial, State, Study
from georaster_dl.training.settings.config import TrainConfig

if TYPE_CHECKING:
    import optuna

__all__ = ["Found", "search_settings"]


_STEPS = 1000  # of a trial, for the progress


class _Pruned(Exception):  # noqa: N818  not an error
    """A trial is not worth finishing."""


@dataclass(frozen=True)
class Found:
    """The best trial's network.

    Attributes
    ----------
    data : with the settings of the trial, and the test part that no trial has seen.
    started : lines that describe the weights it started from.
    note : how it was found, for the card.
    """

    data: TrainingData
    network: FittedNetwork
    started: list[str]
    note: str


def search_settings(
    stated: TrainConfig, data: TrainingData, device: Device, folder: RunFolder, report: Report
) -> Found | None:
    """Train networks with varying settings, and take the one with the best validation score; None without a search.

    Trials that the folder holds already are not repeated.

    Parameters
    ----------
    stated : settings as the user gave them; what is stated does not vary.
    data : with the settings of a training without a search.

    Raises
    ------
    GeoRasterError
        When nothing is left to vary, every trial fails, or the folder cannot be written.
    """
    if not data.config.search.trials:
        return None
    space = make_space(stated, data)
    search = _Search(space, data, device, folder, report)
    search.run(data.config.search.trials)
    best = search.study.best()
    if best is None:
        raise OptionError(
            f"None of {counted(data.config.search.trials, 'trial')} was finished: {search.study.ended[-1].reason}; correct the "
            f"settings, and start anew with `overwrite=True`."
        )
    own = with_settings(data, space.config(best.values))
    learner, started = make_learner(own)
    restore_best(learner, folder.trial(best.number))
    network = FittedNetwork(learner.network, learner.history, learner.learning_rate)
    return Found(
        own, network, started, _note(search.study.ended, best, learner.objective.score_name)
    )


def without_test(data: TrainingData) -> TrainingData:
    """Remove the test part: its cells belong to no part, so nothing reads them."""
    masks = tuple(_without_test(mask) for mask in data.split.masks)
    return replace(data, split=replace(data.split, masks=masks))


def _without_test(mask: SplitMask) -> SplitMask:
    parts = np.where(mask.parts == TEST, np.int8(NO_PART), mask.parts)
    return replace(mask, parts=parts)


class _Search:
    """A search that runs or goes on."""

    def __init__(
        self, space: Space, data: TrainingData, device: Device, folder: RunFolder, report: Report
    ) -> None:
        self._space, self._data, self._device = space, without_test(data), device
        self._folder, self._report = folder, report
        self._score = make_objective(data).score_name
        epochs, seed = data.config.training.epochs, data.config.seed
        self.study = Study(folder.journal, space, epochs=epochs, seed=seed)

    def run(self, count: int) -> None:
        """Run trials until ``count`` have ended."""
        while len(self.study.ended) < count:
            trial, values = self.study.next()
            ended = self._run(trial, values, len(self.study.ended) + 1)
            self.study.end(trial, ended)
            self._keep_best()
            self._tell(ended)

    def _run(self, trial: optuna.Trial, values: dict[str, Value], number: int) -> EndedTrial:
        """Train a network with the settings of a trial."""
        begun = time.monotonic()
        part = self._folder.trial(number)
        shutil.rmtree(part.path, ignore_errors=True)  # of a trial that was interrupted
        part.make()
        trials = self._data.config.search.trials
        watch = _Watch(trial, self._report, number, trials)
        state: State = "finished"
        reason = ""
        try:
            own = with_settings(self._data, self._space.config(values))
            name = f"{self._folder.path.name.removesuffix('_run')} trial {number}"
            with tracking(own.config, part, watch, name=name) as tracked:
                fit(make_learner(own)[0], own, self._device, part, tracked, resume=False)
        except _Pruned:
            state = "pruned"
        except (OptionError, DeviceError) as error:  # of these settings, such as too little memory
            state, reason = "failed", str(error)
        seconds = round(time.monotonic() - begun, 1)
        return EndedTrial(number, state, values, watch.best, watch.epochs, seconds, reason)

    def _keep_best(self) -> None:
        """Remove the checkpoints of all but the best trial."""
        best = self.study.best()
        for each in self.study.ended:
            if best is None or each.number != best.number:
                shutil.rmtree(self._folder.trial(each.number).checkpoints, ignore_errors=True)

    def _tell(self, ended: EndedTrial) -> None:
        """Report how a trial has ended, and write the table and the best settings."""
        best = self.study.best()
        event = TrialEnded(
            trial=ended.number,
            trials=self._data.config.search.trials,
            state=ended.state,
            settings=ended.values,
            val_score=ended.score,
            epochs=ended.epochs,
            seconds=ended.seconds,
            best=None if best is None else best.number,
            reason=ended.reason or None,
        )
        self._report(event)
        config = None if best is None else self._space.config(best.values)
        write_results(self._folder, self.study, config, score=self._score)


class _Watch:
    """Report of a trial's training: hands its progress on, and ends a trial that is not worth finishing.

    Attributes
    ----------
    best : validation score; None before the first epoch has ended.
    epochs : that have ended.
    """

    def __init__(self, trial: optuna.Trial, report: Report, number: int, count: int) -> None:
        self._trial, self._report = trial, report
        self._number, self._count = number, count
        self.best: float | None = None
        self.epochs = 0

    def __call__(self, event: Event) -> None:
        """Take an event of the training."""
        match event:
            case TrainingProgressed():
                self._report(self._of_search(event))
            case Warned():
                self._report(event)
            case EpochEnded():
                self._judge(event)

    def _of_search(self, event: TrainingProgressed) -> TrainingProgressed:
        """Make the progress of a trial that of the search."""
        own = round(_STEPS * event.done / event.total)
        done, total = (self._number - 1) * _STEPS + own, self._count * _STEPS
        left = event.seconds_left * (total - done) / max(_STEPS - own, 1)
        return replace(event, done=done, total=total, seconds_left=round(left, 1))

    def _judge(self, event: EpochEnded) -> None:
        """Compare the best score so far with those of the other trials."""
        self.epochs += 1
        self.best = max(event.val_score, -np.inf if self.best is None else self.best)
        self._trial.report(self.best, int(event.epoch))
        if self._trial.should_prune():
            raise _Pruned


def _note(ended: Sequence[EndedTrial], best: EndedTrial, score: str) -> str:
    """Describe how the best trial was found."""
    pruned = sum(each.state == "pruned" for each in ended)
    usual = ended[0].score
    beside = "" if usual is None else f"; {usual:.3f} with the default settings"
    return f"trial {best.number} of {len(ended)} ({pruned} ended early), validation {score} {best.score:.3f}{beside}"
