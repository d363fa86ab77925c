"""Test of a trained network on the labels of one part of the split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.evaluation.metrics.regression import RegressionScores
from georaster_dl.models.runtime.device import Device
from georaster_dl.training.data.datasets import EvaluationPatches
from georaster_dl.training.data.training_data import TrainingData

__all__ = ["Measured", "iou_names", "label_metrics", "measure", "output_of"]

_MOST_CLASSES = 56  # whose scores a card has room for

_LOGITS = 200_000  # pixels that the temperature is fitted on


@dataclass(frozen=True)
class Measured:
    """Scores on one part of the split.

    Attributes
    ----------
    scores : agreement of map and labels, or errors of a regression.
    logits, target : (n, classes) and (n,) of a sample of the pixels, for calibration.
    """

    scores: Confusion | RegressionScores
    logits: npt.NDArray[np.float32]
    target: npt.NDArray[np.int64]


@torch.inference_mode()
def measure(data: TrainingData, part: int, network: nn.Module, device: Device) -> Measured:
    """Run the network over all windows of a part and compare with the labels."""
    network = network.eval().to(device.torch_device)
    patches = EvaluationPatches(data, part)
    rng = np.random.default_rng(data.config.seed)
    most = -(-_LOGITS // max(len(patches), 1))
    classes = Confusion.empty(data.names)
    errors = RegressionScores()
    mean, std = data.scaling.target or (0.0, 1.0)
    samples: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]] = []
    for output, target in _outputs(patches, network, device):
        if not data.names:
            errors += RegressionScores.of(output[0] * std + mean, target * std + mean)
            continue
        classes += Confusion.of(output.argmax(axis=0), target, data.names)
        rows, cols = (target >= 0).nonzero()
        chosen = rng.permutation(len(rows))[:most]
        rows, cols = rows[chosen], cols[chosen]
        samples.append((output[:, rows, cols].T, target[rows, cols].astype(np.int64)))
    empty = np.zeros((0, max(len(data.names), 1)), np.float32), np.zeros(0, np.int64)
    logits, labels = (
        (np.concatenate(a) for a in zip(empty, *samples, strict=True)) if samples else empty
    )
    return Measured(classes if data.names else errors, logits, labels)


def _outputs(
    patches: EvaluationPatches, network: nn.Module, device: Device
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[Any]]]:
    """Network output (planes, rows, cols) and labels (rows, cols) of each window."""
    for number in range(len(patches)):
        image, target = patches[number]
        yield output_of(network, image, device), target


def output_of(
    network: nn.Module, image: npt.NDArray[np.float32], device: Device
) -> npt.NDArray[np.float32]:
    """Network output (planes, rows, cols) of a normalised image (bands, rows, cols)."""
    batch = torch.from_numpy(image)[None].to(device.torch_device)
    with device.arithmetic():
        output: Tensor = network(batch.contiguous(memory_format=torch.channels_last))
    array: npt.NDArray[np.float32] = output[0].float().cpu().numpy()
    return array


def iou_names(classes: Sequence[str], part: str) -> list[str]:
    """Names of the metrics that are the IoU of a class."""
    return [f"IoU {name[:48]}, {part}" for name in classes[:_MOST_CLASSES]]


def label_metrics(tested: Measured, part: str) -> dict[str, float]:
    """Metrics of a part, for the card."""
    scores = tested.scores
    if isinstance(scores, RegressionScores):
        return {
            f"RMSE, {part}": scores.rmse,
            f"R2, {part}": scores.r2,
            f"bias, {part}": scores.bias,
            f"RMSE of the mean, {part}": scores.sd,
        }
    metrics = {f"mIoU, {part}": scores.mean_iou, f"OA, {part}": scores.overall_accuracy}
    metrics |= dict(zip(iou_names(scores.names, part), scores.iou.tolist(), strict=False))
    # A class that the part does not have has no score.
    return {key: round(value, 4) for key, value in metrics.items() if np.isfinite(value)}
