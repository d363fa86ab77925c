"""Test of a network of fractions on one part of the split, beside partial least squares and the training mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from georaster_dl.evaluation.metrics.regression import RegressionScores
from georaster_dl.models.runtime.device import Device
from georaster_dl.tiling.sampling import Window
from georaster_dl.tiling.split_blocks import ALL_PARTS, TRAIN, VALIDATION
from georaster_dl.training.data.labelled_scenes import is_labelled
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.result.linear import fit_linear_fractions
from georaster_dl.training.result.measure import output_of

__all__ = ["FRACTION_FIGURES", "figure_name", "fraction_caution", "fraction_metrics"]

FRACTION_FIGURES = ("MAE", "RMSE", "R2", "bias")
"""Figures of each fraction among the metrics of a card."""

_MEAN = "the training mean"
_MOST_PIXELS, _OF_WINDOW = 5000, 100  # that partial least squares learns from
_VALIDATION_WINDOWS = 256

Rows = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.floating]
Method = Callable[[Pixels], Pixels]


@torch.inference_mode()
def fraction_metrics(
    data: TrainingData, part: int, network: nn.Module, device: Device, *, beside: bool = True
) -> dict[str, float]:
    """Metrics of a part, for the card: of all fractions together, of each, and of simpler methods ``beside``.

    Fractions of whole polygons are compared with the mean of all their pixels in the part. R2 is 1 - SSE / SST over
    all fractions, each about its own mean.
    """
    network = network.eval().to(device.torch_device)
    reader = data.split.reader(part)
    simple = _baselines(data) if beside else {}
    scores = {name: _Scores(data) for name in ("", *simple)}
    for window in data.evaluation_windows(part):
        image, valid, target = reader.read(window)
        image = data.scaling.apply(image, valid)
        known = is_labelled(target)
        output = output_of(network, image, device)[
            : len(data.fractions)
        ]  # behind: an ensemble's spread
        scores[""].add(window, output[:, known].T, target[:, known].T)
        for name, method in simple.items():
            scores[name].add(window, method(image[:, known].T), target[:, known].T)
    return _metrics(
        {name: each.of_fractions() for name, each in scores.items()}, data, ALL_PARTS[part]
    )


def fraction_caution(metrics: Mapping[str, float]) -> str:
    """Limitations of a network of fractions, from its metrics; empty where no simpler method is better."""
    own = next((value for name, value in metrics.items() if name.startswith("MAE, ")), None)
    simpler = {
        name.removeprefix("MAE of ").rsplit(", ", 1)[0]: value
        for name, value in metrics.items()
        if name.startswith("MAE of ")
    }
    if own is None or not simpler:
        return ""
    best = min(simpler, key=simpler.__getitem__)
    if own <= simpler[best]:
        return ""
    cure = (
        "there is too little to learn from: label more places"
        if best == _MEAN
        else "use that (geodl spectra train, on a table of the labelled pixels' spectra), or label more places"
    )
    return (
        f"{_sentence(best)} errs less on the same ground (mean absolute error {simpler[best]:.3g} against {own:.3g}): "
        f"{cure}."
    )


def figure_name(figure: str, fraction: str, part: str) -> str:
    """Name of the metric that is a figure of one fraction."""
    return f"{figure} {fraction[:40]}, {part}"


def _sentence(method: str) -> str:
    return "The training mean" if method == _MEAN else f"{method} on each pixel's own spectrum"


@dataclass
class _Scores:
    """Errors of one method, of pixels or, where the labels are of these, of whole polygons."""

    data: TrainingData
    pixels: dict[int, RegressionScores] = field(default_factory=dict)
    polygons: _Polygons | None = None

    def __post_init__(self) -> None:
        if self.data.config.labels.per_polygon:
            self.polygons = _Polygons(self.data)

    def add(self, window: Window, predicted: Pixels, labels: Pixels) -> None:
        """Add the labelled pixels of a window: fractions (n, fractions), and labels with the polygon behind them."""
        count = predicted.shape[1]
        if self.polygons is not None:
            values = np.concatenate([predicted, labels[:, :count]], axis=1)
            self.polygons.add(window, labels[:, count], values)
            return
        for number in range(count):
            scores = RegressionScores.of(predicted[:, number], labels[:, number])
            self.pixels[number] = self.pixels.get(number, RegressionScores()) + scores

    def of_fractions(self) -> list[RegressionScores]:
        """Scores of each fraction."""
        count = len(self.data.fractions)
        if self.polygons is None:
            return [self.pixels.get(number, RegressionScores()) for number in range(count)]
        means = self.polygons.means(2 * count)
        predicted, labels = means[:, :count], means[:, count:]
        return [RegressionScores.of(predicted[:, i], labels[:, i]) for i in range(count)]


class _Polygons:
    """Means of values over polygons that several windows and scenes may share."""

    def __init__(self, data: TrainingData) -> None:
        self._files = [str(scene.labels) for scene in data.scenes]
        self._sums: dict[tuple[str, int], tuple[Rows, int]] = {}

    def add(self, window: Window, numbers: Pixels, values: Pixels) -> None:
        """Add values (n, k) of the pixels of polygons (n,)."""
        found, of_pixel, pixels = np.unique(numbers, return_inverse=True, return_counts=True)
        totals = np.zeros((len(found), values.shape[1]))
        np.add.at(totals, of_pixel, values)
        for number, total, n in zip(found, totals, pixels, strict=True):
            key = self._files[window.scene], int(number)
            before, m = self._sums.get(key, (np.zeros(values.shape[1]), 0))
            self._sums[key] = before + total, m + int(n)

    def means(self, columns: int) -> Rows:
        """(polygons, k) means."""
        means = [total / n for total, n in self._sums.values()]
        return np.array(means, np.float64).reshape(-1, columns)


def _baselines(data: TrainingData) -> dict[str, Method]:
    """Simpler methods from normalised spectra (n, bands) to fractions (n, fractions), by name."""
    spectra, fractions = _rows(data, TRAIN, data.statistics_windows())
    mean = fractions.mean(axis=0)
    methods: dict[str, Method] = {_MEAN: lambda pixels: np.tile(mean, (len(pixels), 1))}
    windows = data.evaluation_windows(VALIDATION, _VALIDATION_WINDOWS)
    linear = fit_linear_fractions(spectra, fractions, _rows(data, VALIDATION, windows))
    if linear is not None:
        methods[f"PLS-{linear.components}"] = linear.predict
    return methods


def _rows(data: TrainingData, part: int, windows: Sequence[Window]) -> tuple[Rows, Rows]:
    """Normalised spectra (n, bands) and fractions (n, fractions) of labelled pixels, or means of polygons."""
    bands, count = len(data.bands), len(data.fractions)
    if data.config.labels.per_polygon:
        polygons = _Polygons(data)
        for window, spectra, labels in _labelled(data, part, windows):
            values = np.concatenate([spectra, labels[:, :count]], axis=1)
            polygons.add(window, labels[:, count], values)
        rows = polygons.means(bands + count)
        return rows[:, :bands], rows[:, bands:]
    rng = np.random.default_rng(data.config.seed)
    found = []
    for _, spectra, labels in _labelled(data, part, windows):
        chosen = rng.permutation(len(spectra))[:_OF_WINDOW]
        found.append(np.concatenate([spectra[chosen], labels[chosen]], axis=1, dtype=np.float64))
    rows = np.concatenate(found)
    rows = rows[rng.permutation(len(rows))[:_MOST_PIXELS]]
    return rows[:, :bands], rows[:, bands:]


def _labelled(
    data: TrainingData, part: int, windows: Sequence[Window]
) -> Iterator[tuple[Window, Pixels, Pixels]]:
    """Windows with the normalised spectra (n, bands) and labels (n, planes) of their labelled pixels."""
    reader = data.split.reader(part)
    for window in windows:
        image, valid, target = reader.read(window)
        known = is_labelled(target)
        yield window, data.scaling.apply(image, valid)[:, known].T, target[:, known].T


def _metrics(
    scores: Mapping[str, Sequence[RegressionScores]], data: TrainingData, part: str
) -> dict[str, float]:
    """Metrics by name; those of the network have no method's name."""
    metrics = {}
    for name, of_fractions in scores.items():
        of = f" of {name}" if name else ""
        squares = sum(each.squares for each in of_fractions)
        errors = sum(each.n * each.rmse**2 for each in of_fractions)
        metrics[f"MAE{of}, {part}"] = float(np.mean([each.mae for each in of_fractions]))
        if not name:
            metrics[f"RMSE, {part}"] = float(np.sqrt(np.mean([s.rmse**2 for s in of_fractions])))
        metrics[f"R2{of}, {part}"] = 1 - errors / squares if squares > 0 else np.nan
    for fraction, each in zip(data.fractions, scores[""], strict=True):
        values = (each.mae, each.rmse, each.r2, each.bias)
        for figure, value in zip(FRACTION_FIGURES, values, strict=True):
            metrics[figure_name(figure, fraction, part)] = value
    return {key: round(value, 4) for key, value in metrics.items() if np.isfinite(value)}
