"""Learning rate and end of a training: up, level until validation stops improving or time is up, and down."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning as L  # noqa: N812  the library's own convention

from georaster_dl.training.settings.config import TrainingSection

__all__ = ["Course"]

_RISE = 1.0  # epochs; of a short training a share of 0.15
_FALL = 0.2  # of all epochs


class Course(L.Callback):
    """Schedule of the learning rate that needs no length in advance (warm-up, stable, decay: Hu et al. 2024).

    The rate rises during the first epoch, stays level, and falls to 0 over the last fifth of the epochs. The fall
    begins when the score has not improved for ``patience`` epochs, when it just fits into what is left of
    ``minutes``, or when it has to, to end with ``epochs``. Whether it has begun is in the checkpoints, so that a
    resumed run goes on alike; only where time decides does it depend on the machine.

    Attributes
    ----------
    epochs : after which the training ends, as far as is known.

    Parameters
    ----------
    score : name of the logged figure to improve, the higher the better.
    """

    def __init__(self, training: TrainingSection, score: str) -> None:
        self._limit = training.epochs
        self._patience = training.patience
        self._seconds = None if training.minutes is None else 60.0 * training.minutes
        self._rate: float | None = None
        self._score = score
        self._fall = self._limit - fall_of(self._limit)
        self._best, self._waited = -math.inf, 0
        self._spent, self._begun = 0.0, 0.0
        self.epochs = self._limit

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the learner's rate and start the clock; a resumed run goes on with both."""
        learner: Any = pl_module
        self._rate = learner.learning_rate = self._rate or float(learner.learning_rate)
        self._begun = time.monotonic() - self._spent
        trainer.should_stop = trainer.current_epoch >= self.epochs

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the learning rate of the batch."""
        batches = float(trainer.num_training_batches)
        rate = (self._rate or 0.0) * self.share(trainer.current_epoch + (batch_idx + 0.5) / batches)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def share(self, done: float) -> float:
        """Compute the share of the largest rate after so many epochs."""
        rise = min(_RISE, 0.15 * self._limit)
        fall = (self.epochs - done) / (self.epochs - self._fall)
        return min(done / rise, 1.0, max(fall, 0.0))

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Decide whether the rate falls from now on, or the training ends."""
        done = trainer.current_epoch + 1
        # All processes by one clock: they have to end together.
        self._spent = trainer.strategy.broadcast(time.monotonic() - self._begun)
        score = float(trainer.callback_metrics[self._score])
        self._best, self._waited = (
            (score, 0) if score > self._best else (self._best, self._waited + 1)
        )
        if done < self._fall and (self._waited >= self._patience or self._late(done)):
            self._fall, self.epochs = done, min(done + fall_of(done, before=True), self._limit)
        if done >= self.epochs:
            trainer.should_stop = True

    def _late(self, done: int) -> bool:
        """Whether another epoch and the fall after it would take more than the time that is left."""
        if self._seconds is None:
            return False
        epoch = self._spent / done
        return self._spent + epoch * (1 + fall_of(done + 1, before=True)) > self._seconds

    def seconds_left(self, whole: float) -> float:
        """Bound the seconds that all epochs would still take by the time that is left."""
        if self._seconds is None or self.epochs < self._limit:
            return whole
        return min(whole, max(self._seconds - (time.monotonic() - self._begun), 0.0))

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs."""
        return {
            "rate": self._rate,
            "fall": self._fall,
            "epochs": self.epochs,
            "best": self._best,
            "waited": self._waited,
            "spent": self._spent,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of the run that is resumed."""
        self._rate = float(state_dict["rate"])
        self._fall, self.epochs = int(state_dict["fall"]), int(state_dict["epochs"])
        self._best, self._waited = float(state_dict["best"]), int(state_dict["waited"])
        self._spent = float(state_dict["spent"])


def fall_of(epochs: int, *, before: bool = False) -> int:
    """Number of epochs of the fall, of all epochs or (``before``) after so many others; at least one."""
    share = _FALL / (1 - _FALL) if before else _FALL
    return max(1, round(share * epochs))
