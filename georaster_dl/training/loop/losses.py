"""Losses of maps of classes, of quantities and of fractions.

Pixels without a label are taken out before anything is computed, so they have no gradient at all,
and a batch without any label costs 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import nearest_names

__all__ = [
    "LOSSES",
    "REGRESSION_LOSSES",
    "FractionLoss",
    "build_loss",
    "build_regression_loss",
    "class_weights_of",
]

LOSSES = ("cross-entropy", "focal", "gce", "dice", "lovasz")
REGRESSION_LOSSES = ("mse", "l1", "huber")

_SMALLEST = 1e-12  # fraction whose logarithm is taken; the gradient of smaller ones is 0


def build_loss(
    names: Sequence[str],
    weights: Sequence[float],
    *,
    class_weights: Tensor | None,
    focal_gamma: float = 2.0,
    gce_q: float = 0.7,
    label_smoothing: float = 0.0,
) -> nn.Module:
    """Weighted sum of losses of a class map.

    Parameters
    ----------
    names : of ``LOSSES``, each at most once.

        - ``cross-entropy``: per pixel.
        - ``focal``: cross-entropy times (1 - p)^gamma (Lin et al. 2017, softmax form).
        - ``gce``: (1 - p^q) / q, the generalised cross-entropy for labels of which some are wrong
          (Zhang & Sabuncu 2018): a pixel that the network finds unlikely pulls less the larger q is.
        - ``dice``: 1 - 2 sum(p t) / (sum(p) + sum(t)) (Milletari et al. 2016, but with plain sums).
        - ``lovasz``: the Lovasz extension of the Jaccard loss (Berman et al. 2018).

        The latter two are averaged over the classes that the batch's labels hold.
    weights : weight of each name in the sum, positive.
    class_weights : (classes,) weights of the pixels in ``cross-entropy``, ``focal`` and ``gce``, positive;
        ``dice`` and ``lovasz`` weigh every class alike by themselves.
    focal_gamma : how strongly ``focal`` turns away from pixels that are right already; 0 is
        cross-entropy.
    gce_q : how little ``gce`` trusts single labels, above 0 and at most 1: near 0 it is cross-entropy,
        at 1 the mean absolute error.
    label_smoothing : share of the label that ``cross-entropy`` spreads over all classes, below 1.

    Returns
    -------
    Module from logits (N, classes, rows, cols) and labels (N, rows, cols) int64, where -1 is
    unlabelled, to a float32 scalar.

    Raises
    ------
    OptionError
        When a name is unknown or a number is outside its range.
    """
    for name in names:
        _check_name(name, LOSSES)
    if not names or len(set(names)) < len(names) or len(weights) != len(names):
        raise OptionError(
            f"A loss needs one or more different names and a weight for each, but got "
            f"{', '.join(names) or 'no name'} and {len(weights)} weights; correct the list."
        )
    _check_positive("weights of losses", weights)
    if class_weights is not None:
        _check_positive("class weights", class_weights.tolist())
    if not (focal_gamma >= 0 and 0 <= label_smoothing < 1):
        raise OptionError(
            f"Focal gamma must be at least 0 and label smoothing in 0..1, but got {focal_gamma:g} "
            f"and {label_smoothing:g}; correct them."
        )
    if not 0 < gce_q <= 1:
        raise OptionError(
            f"The q of gce must be above 0 and at most 1, but got {gce_q:g}; 0.7 is usual."
        )
    return _MapLoss(
        dict(zip(names, weights, strict=True)), class_weights, focal_gamma, gce_q, label_smoothing
    )


class _MapLoss(nn.Module):
    """The weighted sum that ``build_loss`` describes."""

    class_weights: Tensor | None

    def __init__(
        self,
        weights: dict[str, float],
        class_weights: Tensor | None,
        focal_gamma: float,
        gce_q: float,
        label_smoothing: float,
    ) -> None:
        super().__init__()
        self._weights = weights
        self._gamma = focal_gamma
        self._q = gce_q
        self._smoothing = label_smoothing
        # Not persistent: it follows from the labels, and is no part of a model.
        self.register_buffer(
            "class_weights",
            None if class_weights is None else class_weights.float(),
            persistent=False,
        )

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        labelled = target >= 0
        # float32 whatever the network computes in: sums over a batch need the digits.
        scores = logits.movedim(1, -1)[labelled].float()
        labels = target[labelled]
        if not len(labels):
            return scores.sum()
        terms: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "cross-entropy": self._cross_entropy,
            "focal": self._focal,
            "gce": self._gce,
            "dice": _dice,
            "lovasz": _lovasz,
        }
        total = scores.new_zeros(())
        for name, weight in self._weights.items():
            total = total + weight * terms[name](scores, labels)
        return total

    def _cross_entropy(self, scores: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(
            scores, labels, weight=self.class_weights, label_smoothing=self._smoothing
        )

    def _focal(self, scores: Tensor, labels: Tensor) -> Tensor:
        # segmentation_models_pytorch has the sigmoid form, one class against the rest.
        surprise = F.cross_entropy(scores, labels, reduction="none")
        # Clamped, because the slope of x^gamma is infinite at 0 for gamma below 1.
        return self._mean(
            (-torch.expm1(-surprise)).clamp_min(1e-6) ** self._gamma * surprise, labels
        )

    def _gce(self, scores: Tensor, labels: Tensor) -> Tensor:
        surprise = F.cross_entropy(scores, labels, reduction="none")
        # p^q = exp(-q surprise); expm1, because 1 - p^q has no digits left for small q.
        return self._mean(-torch.expm1(-self._q * surprise) / self._q, labels)

    def _mean(self, loss: Tensor, labels: Tensor) -> Tensor:
        """Average the losses (n,) of pixels, by the weights of their classes."""
        if self.class_weights is None:
            return loss.mean()
        weight = self.class_weights[labels]
        return (weight * loss).sum() / weight.sum()


def _dice(scores: Tensor, labels: Tensor) -> Tensor:
    # segmentation_models_pytorch divides by the number of all classes, present or not.
    share = scores.softmax(dim=1)
    truth = F.one_hot(labels, scores.shape[1]).float()
    overlap = (share * truth).sum(dim=0)
    total = share.sum(dim=0) + truth.sum(dim=0)
    present = truth.any(dim=0)
    return (1 - 2 * overlap[present] / total[present]).mean()


def _lovasz(scores: Tensor, labels: Tensor) -> Tensor:
    from segmentation_models_pytorch.losses import LovaszLoss

    loss: Tensor = LovaszLoss("multiclass")(scores.T[None, :, None], labels[None, None])
    return loss


def class_weights_of(counts: npt.NDArray[np.int64], *, cap: float = 10.0) -> Tensor:
    """Class weights by median-frequency balancing (Eigen & Fergus 2015), with a limit.

    A class's weight is the median count over its count, within 1/cap..cap, and all are divided by
    their mean over the pixels, so the size of the loss does not change. A class without pixels gets
    1: 0 would leave a validation batch of it without any weight.

    Parameters
    ----------
    counts : (classes,) labelled pixels of each class.
    cap : how many times the weight of a class of median frequency the weight may be.
    """
    if not cap >= 1:
        raise OptionError(f"The cap of class weights must be at least 1, but got {cap:g}.")
    present = counts > 0
    weights = np.ones(len(counts))
    if present.any():
        frequency = counts[present].astype(np.float64)
        balanced = np.clip(np.median(frequency) / frequency, 1 / cap, cap)
        weights[present] = balanced / np.average(balanced, weights=frequency)
    return torch.from_numpy(weights).float()


def build_regression_loss(name: Literal["mse", "l1", "huber"]) -> nn.Module:
    """Mean loss of a continuous map over its labelled pixels.

    Parameters
    ----------
    name : ``mse``, ``l1``, or ``huber``, which is squared up to an error of 1 and linear beyond.

    Returns
    -------
    Module from predictions (N, 1, rows, cols) and values (N, rows, cols), NaN where unlabelled, to
    a float32 scalar.

    Raises
    ------
    OptionError
        When the name is unknown.
    """
    _check_name(name, REGRESSION_LOSSES)
    losses = {"mse": nn.MSELoss, "l1": nn.L1Loss, "huber": nn.HuberLoss}
    return _ValueLoss(losses[name]())


class _ValueLoss(nn.Module):
    """The mean that ``build_regression_loss`` describes."""

    def __init__(self, of_pixels: nn.Module) -> None:
        super().__init__()
        self._of_pixels = of_pixels

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        labelled = target.isfinite()
        values = prediction[:, 0][labelled].float()
        if not len(values):
            return values.sum()
        loss: Tensor = self._of_pixels(values, target[labelled].float())
        return loss


class FractionLoss(nn.Module):
    """Cross-entropy of fractions.

    From fractions (N, fractions, rows, cols) and labels of the same shape, NaN where unlabelled, to a float32 scalar.
    Of pure pixels it is the cross-entropy of classes. With ``per_polygon`` the labels have one more plane, the
    number of a polygon, and the mean of the predicted fractions over a polygon's pixels in a patch is compared with
    the label (label proportions), each polygon weighing as much as it has pixels there.
    """

    def __init__(self, *, per_polygon: bool = False) -> None:
        super().__init__()
        self._per_polygon = per_polygon

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Compute the mean over the labelled pixels."""
        fractions, labels, weights = self.compared(output, target)
        if not len(labels):
            return fractions.sum()
        surprise = -(labels * fractions.clamp_min(_SMALLEST).log()).sum(dim=1)
        loss: Tensor = (surprise * weights).sum() / weights.sum()
        return loss

    def compared(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Select predicted and labelled fractions (n, fractions) of pixels or polygons, and the pixels (n,) of each."""
        count = output.shape[1]
        known = target.isfinite().all(dim=1)
        fractions = output.movedim(1, -1)[known].float()
        labels = target.movedim(1, -1)[known].float()
        if not self._per_polygon:
            return fractions, labels, fractions.new_ones(len(labels))
        keys = torch.stack([known.nonzero()[:, 0], labels[:, count].long()])
        _, of_pixel, pixels = torch.unique(keys, dim=1, return_inverse=True, return_counts=True)

        def mean(values: Tensor) -> Tensor:
            total = values.new_zeros(len(pixels), count).index_add(0, of_pixel, values)
            means: Tensor = total / pixels[:, None]
            return means

        return mean(fractions), mean(labels[:, :count]), pixels.float()


def _check_name(name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise OptionError(
            f"No loss is named {name!r}{nearest_names(name, names)}; use {', '.join(names)}."
        )


def _check_positive(what: str, numbers: Sequence[float]) -> None:
    if not all(0 < number < np.inf for number in numbers):
        raise OptionError(
            f"The {what} must be positive, but got {', '.join(f'{n:g}' for n in numbers)}; leave out "
            f"what should not count."
        )
