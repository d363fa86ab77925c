"""The study of a search: its journal on the disk, and its trials in their order.

Optuna chooses settings and says which trials are not worth finishing. Its journal is a file of JSON lines, so a search
that was interrupted goes on after its last trial that ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from georaster_dl.training.search.space import Space, Value

if TYPE_CHECKING:
    import optuna

__all__ = ["EndedTrial", "State", "Study"]

State = Literal["finished", "pruned", "failed"]

_RANDOM_TRIALS = 6  # before settings are chosen by what the others gave
_FULL_TRIALS = 3  # before any is pruned
_WARM_UP = 5  # epochs in which no trial is pruned, of short trainings a fifth


@dataclass(frozen=True)
class EndedTrial:
    """A trial that has ended.

    Attributes
    ----------
    number : from 1; the first has the default settings.
    values : of the settings that it varied.
    score : best validation score of its epochs; None where it failed.
    reason : of a failure.
    """

    number: int
    state: State
    values: dict[str, Value]
    score: float | None
    epochs: int
    seconds: float
    reason: str = ""


class Study:
    """Study of a search in a journal.

    Parameters
    ----------
    journal : file to keep them in; those that are there go on.
    epochs : of a trial, at most.
    seed : of all choices.
    """

    def __init__(self, journal: Path, space: Space, *, epochs: int, seed: int) -> None:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._seed = space, seed
        # Not the lock by links, which not every disk has.
        file = JournalFileBackend(str(journal), lock_obj=JournalFileOpenLock(str(journal)))
        self.optuna = optuna.create_study(
            storage=JournalStorage(file),
            study_name="search",
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=_FULL_TRIALS, n_warmup_steps=min(_WARM_UP, epochs // 5)
            ),
        )
        for trial in self.optuna.get_trials(states=[optuna.trial.TrialState.RUNNING]):
            self.optuna.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # it was interrupted

    @property
    def ended(self) -> list[EndedTrial]:
        """Ended trials in their order, without those that were interrupted."""
        found = [each for each in self.optuna.get_trials() if "state" in each.user_attrs]
        return [
            EndedTrial(
                number,
                each.user_attrs["state"],
                each.params,
                each.user_attrs["score"],
                each.user_attrs["epochs"],
                each.user_attrs["seconds"],
                each.user_attrs["reason"],
            )
            for number, each in enumerate(found, 1)
        ]

    def best(self) -> EndedTrial | None:
        """Trial of the best score among those that were finished; None where there is none."""
        finished = [each for each in self.ended if each.state == "finished"]
        return max(finished, key=lambda each: cast(float, each.score), default=None)

    def end(self, trial: optuna.Trial, ended: EndedTrial) -> None:
        """Note how a trial has ended."""
        from optuna.trial import TrialState

        noted = {"score": ended.score, "epochs": ended.epochs, "seconds": ended.seconds}
        for key, value in {**noted, "reason": ended.reason, "state": ended.state}.items():
            trial.set_user_attr(key, value)
        states = {
            "finished": TrialState.COMPLETE,
            "pruned": TrialState.PRUNED,
            "failed": TrialState.FAIL,
        }
        value = ended.score if ended.state == "finished" else None
        self.optuna.tell(trial, value, state=states[ended.state])

    def next(self) -> tuple[optuna.Trial, dict[str, Value]]:
        """Begin a trial, and choose its settings: the first has the defaults."""
        from optuna.samplers import TPESampler

        count = len(self.ended)
        # By the number of the trial, so that a search that goes on chooses as one that was not interrupted.
        self.optuna.sampler = TPESampler(seed=self._seed + count, n_startup_trials=_RANDOM_TRIALS)
        if not count:
            self.optuna.enqueue_trial(self._space.defaults)
        trial = self.optuna.ask()
        return trial, self._space.draw(trial)
