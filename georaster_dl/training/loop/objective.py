"""Objectives of training: the loss of a batch, and the score that chooses the best epoch.

One class per task; the training loop is the same for all.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics import Metric, R2Score
from torchmetrics.classification import MulticlassConfusionMatrix

from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.io.labels.boundaries import STEPS
from georaster_dl.tiling.split_blocks import TRAIN
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.loop.losses import (
    FractionLoss,
    build_loss,
    build_regression_loss,
    class_weights_of,
)
from georaster_dl.training.loop.reconstruction_loss import build_reconstruction_loss, valid_spectra

__all__ = [
    "Classes",
    "Fractions",
    "Instances",
    "Objective",
    "Quantity",
    "Reconstruction",
    "make_objective",
]


class Objective(nn.Module):
    """Loss and score of a task.

    Parameters
    ----------
    loss : of outputs (N, planes, rows, cols) and targets, a scalar.
    agreement : metric of the outputs and targets of an epoch.

    Attributes
    ----------
    score_name : name of the score for people; the higher the score, the better.
    """

    score_name: ClassVar[str]

    def __init__(self, loss: nn.Module, agreement: Metric) -> None:
        super().__init__()
        self._loss = loss
        self._agreement = agreement

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of a batch."""
        loss: Tensor = self._loss(output, target)
        return loss

    @abstractmethod
    def count(self, output: Tensor, target: Tensor) -> None:
        """Add a validation batch to the score."""

    def score(self) -> float:
        """Compute the score of all batches since the last call."""
        value: Tensor = self._agreement.compute()
        self._agreement.reset()
        return self._scored(value)

    def _scored(self, value: Tensor) -> float:
        return float(value)


class Classes(Objective):
    """Logits of classes against class indexes (N, rows, cols), -1 where unlabelled."""

    score_name = "mean IoU"

    def __init__(self, loss: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__(loss, MulticlassConfusionMatrix(len(names), ignore_index=-1))
        self._names = names

    def count(self, output: Tensor, target: Tensor) -> None:
        """Add a validation batch to the score."""
        self._agreement.update(output.argmax(dim=1), target)

    def _scored(self, value: Tensor) -> float:
        # torchmetrics has the reference in the rows, our confusion matrix the map.
        return Confusion(self._names, value.T.cpu().numpy().astype(np.int64)).mean_iou


class Instances(Classes):
    """Logits of classes, and of boundaries behind them, against classes and nearness (N, 2, rows, cols).

    The loss of the classes and the cross-entropy of the nearness to a boundary are added; the score is that of the classes.
    """

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of a batch."""
        of_classes = super().loss(output[:, :-1], target[:, 0])
        labelled = target[:, 0] >= 0
        logits, near = output[:, -1][labelled].float(), target[:, 1][labelled].float() / STEPS
        if not len(near):
            return of_classes
        return of_classes + binary_cross_entropy_with_logits(logits, near)

    def count(self, output: Tensor, target: Tensor) -> None:
        """Add a validation batch to the score."""
        super().count(output[:, :-1], target[:, 0])


class Quantity(Objective):
    """One channel of normalised values against normalised labels (N, rows, cols), NaN where unlabelled."""

    score_name = "R²"

    def __init__(self, loss: nn.Module) -> None:
        super().__init__(loss, R2Score())

    def count(self, output: Tensor, target: Tensor) -> None:
        """Add a validation batch to the score."""
        labelled = target.isfinite()
        self._agreement.update(output[:, 0][labelled], target[labelled])


class Reconstruction(Objective):
    """The normalised bands against themselves (N, bands, rows, cols), NaN where not valid.

    R² is one figure for all bands, 1 - SSE / SST, each band about its own mean.
    """

    score_name = "R²"

    def __init__(self, loss: nn.Module) -> None:
        super().__init__(loss, R2Score(multioutput="variance_weighted"))

    def count(self, output: Tensor, target: Tensor) -> None:
        """Add a validation batch to the score."""
        self._agreement.update(*valid_spectra(output, target))


class Fractions(Objective):
    """Fractions against labels of the same shape, of pixels or whole polygons; see ``FractionLoss``.

    R² is one figure for all fractions, 1 - SSE / SST, each about its own mean: a fraction that hardly varies on the
    validation ground decides little, where a mean over the fractions' R² would leave everything to it.
    """

    score_name = "R²"

    def __init__(self, loss: FractionLoss) -> None:
        super().__init__(loss, R2Score(multioutput="variance_weighted"))
        self._compared = loss.compared

    def count(self, output: Tensor, target: Tensor) -> None:
        """Add a validation batch to the score."""
        fractions, labels, _ = self._compared(output, target)
        if len(labels):
            self._agreement.update(fractions, labels)


def make_objective(data: TrainingData) -> Objective:
    """Make the objective of the task, with the loss of its settings.

    Raises
    ------
    OptionError
        When the settings of the loss cannot work.
    """
    task, loss = data.config.task, data.config.loss
    if task == "autoencoder":
        return Reconstruction(
            build_reconstruction_loss(loss.reconstruction, data.scaling.mean, data.scaling.std)
        )
    if task == "regression":
        return Quantity(build_regression_loss(loss.regression))
    if task == "fractions":
        return Fractions(FractionLoss(per_polygon=data.config.labels.per_polygon))
    counts = data.split.labelled(TRAIN)
    of_classes = build_loss(
        loss.names,
        loss.weights or [1.0] * len(loss.names),
        class_weights=class_weights_of(counts, cap=loss.cap) if loss.class_weights else None,
        focal_gamma=loss.focal_gamma,
        gce_q=loss.gce_q,
        label_smoothing=loss.label_smoothing,
    )
    return (Instances if data.instances else Classes)(of_classes, data.names)
