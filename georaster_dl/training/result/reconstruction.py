"""Test of an autoencoder on one part of the split, beside principal components.

All figures are of normalised bands, so errors are in standard deviations of the band. A linear
autoencoder cannot have a smaller error than as many principal components as its code has features
(Baldi & Hornik 1989), which are therefore reported beside it. Of hidden squares neither tells anything: the rival is
the mean of what is seen around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from georaster_dl.core.wording import counted
from georaster_dl.io.output.statistics import BandStatistics
from georaster_dl.models.registry import describe_model
from georaster_dl.models.runtime.device import Device
from georaster_dl.tiling.split_blocks import ALL_PARTS, TRAIN
from georaster_dl.training.data.datasets import EvaluationPatches
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.result.measure import output_of

__all__ = ["reconstruction_caution", "reconstruction_metrics"]

_DRAWS = 32  # of disturbed windows, over which the figures are taken
_LEAST_WEIGHT = 1e-3  # of visible neighbours

Image = npt.NDArray[np.float32]
Method = Callable[[Image], Image]


@torch.inference_mode()
def reconstruction_metrics(
    data: TrainingData, part: int, network: nn.Module, device: Device
) -> dict[str, float]:
    """Metrics of the reconstruction of a part, from noisy and from clean bands, for the card.

    Returns
    -------
    R2 is 1 - SSE / SST over all bands, each about its own mean. The components are those of the
    training part; they are left out where the architecture does not say how wide its code is. Where squares
    were hidden, all figures are of the pixels in them.
    """
    network = network.eval().to(device.torch_device)
    if data.masked:
        return _hidden_metrics(data, part, network, device)
    methods: dict[str, Method] = {"reconstruction": lambda image: output_of(network, image, device)}
    features = _code_width(data)
    if features is not None:
        mean, axes = principal_axes(data, features)
        methods[f"PCA-{axes.shape[1]}"] = lambda image: _projected(image, mean, axes)
    squares = dict.fromkeys([(name, clean) for clean in (False, True) for name in methods], 0.0)
    truth = BandStatistics(len(data.bands))
    patches = EvaluationPatches(data, part, noise_draws=_DRAWS)
    for number in range(len(patches)):
        noisy, target = patches[number]
        valid = np.isfinite(target[0])
        truth.add(target)
        clean = np.where(valid, target, np.float32(0))
        for name, is_clean in squares:
            output = methods[name](clean if is_clean else noisy)
            errors = (output - target)[:, valid].astype(np.float64)
            squares[name, is_clean] += float((errors**2).sum())
    return _metrics(squares, truth, ALL_PARTS[part])


def _hidden_metrics(
    data: TrainingData, part: int, network: nn.Module, device: Device
) -> dict[str, float]:
    """Metrics of the pixels in hidden squares, beside those of the mean of the visible pixels around them."""
    bands, name = len(data.bands), ALL_PARTS[part]
    squares = {"hidden pixels": 0.0, "their visible neighbours": 0.0}
    truth = BandStatistics(bands)
    patches = EvaluationPatches(data, part, noise_draws=_DRAWS)
    for number in range(len(patches)):
        noisy, target = patches[number]
        hidden = noisy[bands] > 0
        truth.add(np.where(hidden, target, np.float32(np.nan)))
        seen = np.asarray(noisy[:bands].any(axis=0))
        around = visible_mean(noisy[:bands], seen, data.config.corruption.squares)
        for what, output in zip(squares, (output_of(network, noisy, device), around), strict=True):
            errors = (output - target)[:, hidden].astype(np.float64)
            squares[what] += float((errors**2).sum())
    total, n = float(truth.squares.sum()), max(int(truth.count.sum()), 1)
    metrics = (
        {f"R2 of hidden pixels, {name}": 1 - squares["hidden pixels"] / total} if total else {}
    )
    metrics |= {f"RMSE of {what}, {name}": float(np.sqrt(s / n)) for what, s in squares.items()}
    return {key: round(value, 4) for key, value in metrics.items()}


def visible_mean(image: Image, seen: npt.NDArray[np.bool_], side: int) -> Image:
    """Compute each pixel's mean of the visible pixels around it, 0 where none is near.

    Parameters
    ----------
    image : (bands, rows, cols) normalised values.
    seen : (rows, cols) the visible pixels.
    side : of the hidden squares; nearer pixels weigh more, by a normal curve with a deviation of half of it.
    """

    def blurred(plane: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        smooth: npt.NDArray[np.float32] = gaussian_filter(
            plane.astype(np.float32), side / 2, mode="constant"
        )
        return smooth

    weight = blurred(seen)
    near = weight > _LEAST_WEIGHT
    mean = np.zeros_like(image)
    for values, band in zip(mean, image, strict=True):
        values[near] = blurred(np.where(seen, band, 0))[near] / weight[near]
    return mean


def reconstruction_caution(data: TrainingData, metrics: Mapping[str, float]) -> str:
    """Limitations of an autoencoder, from its metrics; empty where there are none."""
    if data.masked:
        return _hidden_caution(metrics)
    said = []
    width = data.config.model.options.get("code")
    if isinstance(width, int) and width >= len(data.bands):
        said.append(
            f"Its code has {counted(width, 'feature')} for {counted(len(data.bands), 'band')}, so it can copy them: a smaller "
            f"code compresses (model.options)."
        )
    errors = [value for name, value in metrics.items() if name.startswith("RMSE of reconstruction")]
    linear = [(name, value) for name, value in metrics.items() if name.startswith("RMSE of PCA-")]
    if errors and linear and errors[0] > linear[0][1]:
        said.append(
            f"It gives the bands back worse ({errors[0]:.3g}) than {linear[0][0].split(',')[0][8:]} does "
            f"({linear[0][1]:.3g}): train longer, or use principal components."
        )
    return " ".join(said)


def _hidden_caution(metrics: Mapping[str, float]) -> str:
    """Limitations of a masked autoencoder."""
    said = ["It learnt to fill hidden squares, not to give back what it sees."]
    values = {name.split(",")[0]: value for name, value in metrics.items()}
    ours, around = (
        values.get(f"RMSE of {what}", 0.0) for what in ("hidden pixels", "their visible neighbours")
    )
    if ours > around:
        said.append(
            f"It fills them worse ({ours:.3g}) than the mean of what is seen around them ({around:.3g}): train longer."
        )
    return " ".join(said)


def _metrics(
    squares: dict[tuple[str, bool], float], truth: BandStatistics, part: str
) -> dict[str, float]:
    """Metrics by name, from sums of squared errors."""
    metrics = {}
    total = float(truth.squares.sum())
    if total > 0:
        metrics[f"R2 of reconstruction, {part}"] = 1 - squares["reconstruction", False] / total
    for (name, is_clean), errors in squares.items():
        rmse = float(np.sqrt(errors / max(int(truth.count.sum()), 1)))
        what = f"RMSE of {name}"
        if is_clean:
            what = "RMSE, clean input" if name == "reconstruction" else f"{what}, clean input"
        metrics[f"{what}, {part}"] = rmse
    return {key: round(value, 4) for key, value in metrics.items()}


def _code_width(data: TrainingData) -> int | None:
    """Number of features of the network's code; None where its architecture states none."""
    model = data.config.model
    options = {**describe_model(model.architecture)[1], **model.options}
    width = options.get("features", options.get("code"))
    return width if isinstance(width, int) else None


def principal_axes(
    data: TrainingData, features: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Compute mean (bands,) and first principal axes (bands, features) of the normalised training part.

    Measured where the normalisation is; no more axes than bands.
    """
    reader = data.split.reader(TRAIN)
    n, bands = 0, len(data.bands)
    total, products = np.zeros(bands), np.zeros((bands, bands))
    for window in data.statistics_windows():
        image, valid, _ = reader.read(window)
        spectra = data.scaling.apply(image, valid)[:, valid].astype(np.float64)
        n += spectra.shape[1]
        total += spectra.sum(axis=1)
        products += spectra @ spectra.T
    mean = total / n
    axes: npt.NDArray[np.float64] = np.linalg.eigh(products / n - np.outer(mean, mean))[1]
    return mean, axes[:, ::-1][:, :features]  # eigh gives the smallest first


def _projected(image: Image, mean: npt.NDArray[np.float64], axes: npt.NDArray[np.float64]) -> Image:
    """Project the image (bands, rows, cols) on the axes."""
    spectra = image.reshape(len(image), -1) - mean[:, None]
    projected = axes @ (axes.T @ spectra) + mean[:, None]
    return projected.reshape(image.shape).astype(np.float32)
