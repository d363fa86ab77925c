"""Lightning module of a training: network, loss, optimiser, and the score of an epoch."""

from __future__ import annotations

from typing import Any

import lightning as L  # noqa: N812  the library's own convention
import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from georaster_dl.models.zoo.heads.bayesian import BayesianConv2d
from georaster_dl.models.zoo.heads.boundaries import giving_boundaries
from georaster_dl.training.loop.objective import Objective
from georaster_dl.training.loop.transfer import set_training_mode, unfreeze_for_epoch
from georaster_dl.training.settings.config import FRESH_RATE, TrainConfig

__all__ = ["SCORE", "Learner", "present_bands", "usual_rate"]

_FINE_RATE = 5e-4  # a large rate would forget what the weights know
_REHEARSING_RATE = 3e-4
SCORE = "val_score"  # the objective's: the higher the better


def usual_rate(config: TrainConfig) -> float:
    """Choose the largest learning rate: as stated, or suited to the initial weights."""
    rate = config.training.learning_rate
    if isinstance(rate, float):
        return rate
    if config.start.rehearse is not None:
        return _REHEARSING_RATE
    return FRESH_RATE if config.start.weights == "random" else _FINE_RATE


def present_bands(image: Tensor) -> Tensor:
    """Find the present bands of patches; augmentation leaves absent bands 0 everywhere.

    Parameters
    ----------
    image : (N, bands, rows, cols) normalised.

    Returns
    -------
    (N, bands); True for all bands of a patch without a valid pixel.
    """
    there = (image != 0).flatten(2).any(2)
    return there | ~there.any(1, keepdim=True)


class Learner(L.LightningModule):
    """A network in training.

    Parameters
    ----------
    network : from images (N, bands, rows, cols) to planes (N, planes, rows, cols).
    objective : its loss and its score.
    cells : labelled cells of the training part, among which the divergence of Bayesian layers is shared out: pixels
        that lie together say the same, so they are no observations of their own.

    Attributes
    ----------
    history : figures of every finished epoch, those before an interruption included.
    objective : its loss and its score.
    learning_rate : largest of the schedule.
    finds_rate : whether the rate is chosen by a range test.
    begun : whether training has begun, or gone on from a checkpoint.
    """

    def __init__(
        self, network: nn.Module, objective: Objective, config: TrainConfig, *, cells: int = 1
    ) -> None:
        super().__init__()
        self.network = network
        self._bayesian = [each for each in network.modules() if isinstance(each, BayesianConv2d)]
        self._cells = cells
        self._reads_presence = bool(getattr(network, "reads_presence", False))
        self.objective = objective
        self.history: list[dict[str, float]] = []  # one entry per finished epoch
        self.finds_rate = config.training.learning_rate == "find"
        self.learning_rate = usual_rate(config)
        self.begun = False
        self._config = config
        self._train_loss = MeanMetric()
        self._val_loss = MeanMetric()

    def train(self, mode: bool = True) -> Learner:
        """Set training mode, except in frozen layers: their BatchNorm stays as it is."""
        super().train(mode)
        if mode:
            set_training_mode(self.network)
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Compute the outputs for (N, bands, rows, cols), with the boundaries of objects where these are learnt.

        In training, a network that can do without bands is told which there are.
        """
        told = (present_bands(image),) if self.training and self._reads_presence else ()
        with giving_boundaries(self.network):
            output: Tensor = self.network(
                image.contiguous(memory_format=torch.channels_last), *told
            )
        return output

    def on_train_epoch_start(self) -> None:
        """Freeze layers by the number of the epoch."""
        start = self._config.start
        unfreeze_for_epoch(self.network, start.freeze, self.current_epoch, start.unfreeze_every)
        self.train()

    def on_train_batch_start(self, _batch: tuple[Tensor, Tensor], number: int) -> None:
        """Seed dropout by the numbers of epoch and batch, so that a resumed run repeats it.

        Not by the epoch alone: whether a loader draws from the same numbers before its first batch
        differs between a new run and a resumed one.
        """
        seeds = np.random.SeedSequence([self._config.seed, self.current_epoch, number])
        torch.manual_seed(int(seeds.generate_state(1)[0]))

    def loss_of(self, image: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of images (N, bands, rows, cols) with their targets, the last axes rows and cols.

        A network of patches is trained on their middle pixels. Bayesian layers add their divergence from the
        prior, divided by the labelled cells.
        """
        centre = getattr(self.network, "centre", None)
        output = self(image) if centre is None else centre(image)
        loss = self.objective.loss(output, target)
        for layer in self._bayesian:
            loss = loss + layer.kl() / self._cells
        return loss

    def training_step(self, batch: tuple[Tensor, Tensor], _number: int) -> Tensor:
        """Compute the loss of a batch."""
        loss = self.loss_of(*batch)
        self._train_loss.update(loss.detach())
        self.log("batch_loss", loss, on_step=True, on_epoch=False)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _number: int) -> None:
        """Add a batch to loss and score of the validation."""
        image, target = batch
        output = self(image).float()
        self._val_loss.update(self.objective.loss(output, target))
        self.objective.count(output, target)

    def on_validation_epoch_end(self) -> None:
        """Score the epoch and add its figures to the history; validation ends an epoch."""
        entry = {
            "epoch": float(self.current_epoch),
            "loss": float(self._train_loss.compute()),
            "val_loss": float(self._val_loss.compute()),
            SCORE: self.objective.score(),
            "learning_rate": float(self.trainer.optimizers[0].param_groups[0]["lr"]),
        }
        self._train_loss.reset()
        self._val_loss.reset()
        self.history.append(entry)
        self.log_dict({key: value for key, value in entry.items() if key != "epoch"})

    @property
    def _fused(self) -> bool:
        """Whether the optimiser is fused; in fp16 it would take off the gradients' scale after they were clipped."""
        return self.trainer.precision != "16-mixed"

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of the gradient, also in bf16, where Lightning refuses to for a fused optimiser."""
        if self._fused and gradient_clip_val is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip_val)
        else:
            super().configure_gradient_clipping(
                optimizer, gradient_clip_val, gradient_clip_algorithm
            )

    def configure_optimizers(self) -> Any:
        """Make AdamW; with a one-cycle schedule where the settings want it."""
        training = self._config.training
        # What the prior holds near 0 is not decayed as well, and its deviations are no weights.
        prior = {id(weight) for layer in self._bayesian for weight in layer.parameters()}
        weights = list(self.network.parameters())
        groups: list[dict[str, Any]] = [{"params": [w for w in weights if id(w) not in prior]}]
        if prior:
            held = [w for w in weights if id(w) in prior]
            groups.append({"params": held, "weight_decay": 0.0})
        optimiser = torch.optim.AdamW(
            groups,
            lr=self.learning_rate,
            weight_decay=training.weight_decay,
            fused=self._fused,  # one kernel for all weights
        )
        if training.schedule != "one-cycle":
            return optimiser
        total = int(self.trainer.estimated_stepping_batches)
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, self.learning_rate, total_steps=total, pct_start=0.15
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

    def on_train_start(self) -> None:
        """Note that the checkpoint is restored."""
        self.begun = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the history to the checkpoint."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the history of the run that is resumed."""
        self.history = list(checkpoint["history"])
