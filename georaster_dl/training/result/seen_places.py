"""Test on blocks of the training scenes, beside that on scenes that training never saw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from torch import nn

from georaster_dl.models.runtime.device import Device
from georaster_dl.tiling.split_blocks import ALL_PARTS, SEEN_PLACES
from georaster_dl.training.data.split import Split
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.result.fractions import fraction_metrics
from georaster_dl.training.result.measure import iou_names, label_metrics, measure
from georaster_dl.training.result.reconstruction import reconstruction_metrics

__all__ = ["measure_seen_places"]

_SCORES = ("R2", "R2 of reconstruction", "R2 of hidden pixels")  # of tasks without classes
_OVERALL = ("mIoU", "OA", "MAE", "RMSE", *_SCORES)
_FAR_BELOW = 0.1  # of mIoU or R2
_FEWEST_BLOCKS = 2  # that lie apart, with labels of what is compared
_FEWEST_CLASSES = 2

Metrics = Mapping[str, float]


def measure_seen_places(
    data: TrainingData, network: nn.Module, device: Device, test: Metrics
) -> tuple[dict[str, float], str]:
    """Measure the network on blocks of the training scenes that it has not learnt from.

    Parameters
    ----------
    test : metrics of the tested part, which is of other scenes, as ``NAME, PART``.

    Returns
    -------
    The overall metrics, for the card, and a limitation where new scenes fare far worse; nothing where no block was
    kept. Classes with labels in a single block are not compared.
    """
    if not data.split.labelled(SEEN_PLACES).any():
        return {}, ""
    part = ALL_PARTS[SEEN_PLACES]
    if data.unlabelled:
        metrics = reconstruction_metrics(data, SEEN_PLACES, network, device)
    elif data.fractions:
        metrics = fraction_metrics(data, SEEN_PLACES, network, device, beside=False)
    else:
        metrics = label_metrics(measure(data, SEEN_PLACES, network, device), part)
    overall = {f"{name}, {part}" for name in _OVERALL}
    kept = {name: value for name, value in metrics.items() if name in overall}
    blocks = _blocks(data.split)
    if not (blocks >= _FEWEST_BLOCKS).any():
        return kept, ""
    names = iou_names(data.names, part)
    rare = {name for name, n in zip(names, blocks, strict=False) if n < _FEWEST_BLOCKS}
    compared = {name: value for name, value in metrics.items() if name not in rare}
    return kept, _caution(_by_figure(compared), _by_figure(test))


def _blocks(split: Split) -> npt.NDArray[np.int64]:
    """(classes,) number of blocks with labels of each class; blocks that touch are one."""
    found = np.zeros(len(split.labelled(SEEN_PLACES)), np.int64)
    for mask, index in zip(split.masks, split.indexes(SEEN_PLACES), strict=True):
        numbers, count = ndimage.label(mask.cells(SEEN_PLACES))
        held = np.zeros((count + 1, len(found)), bool)
        np.logical_or.at(held, numbers[index.rows, index.cols], index.counts > 0)
        found += held.sum(axis=0)
    return found


def _by_figure(metrics: Metrics) -> dict[str, float]:
    return {name.rpartition(", ")[0]: value for name, value in metrics.items()}


def _caution(seen: Metrics, new: Metrics) -> str:
    """Say how much worse new scenes fare, by the classes that both parts have; empty where it is little."""
    figures = [name for name in seen if name in new]
    classes = [name for name in figures if name.startswith("IoU ")]
    compared = classes or [name for name in figures if name in _SCORES]
    if not compared or 0 < len(classes) < _FEWEST_CLASSES:
        return ""
    of_seen, of_new = (float(np.mean([each[name] for name in compared])) for each in (seen, new))
    if of_seen - of_new < _FAR_BELOW:
        return ""
    score = "mIoU" if classes else compared[0]
    basis = f"over the {len(classes)} classes that both have enough of, " if classes else ""
    return (
        f"It knows its training scenes better than new ones: {basis}{score} is {of_seen:.2f} on blocks of them that "
        f"it never saw and {of_new:.2f} on new scenes. Train on more scenes, and measure where you map."
    )
