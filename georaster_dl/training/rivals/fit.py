"""Classifiers of a pixel's spectrum, and of the texture about it, fitted to the training part and judged on the validation part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch

from georaster_dl.core.events import Report, RivalJudged
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.models.package.card import Architecture, ModelHalo
from georaster_dl.models.zoo.texture.features import Texture
from georaster_dl.models.zoo.texture.network import TexturedPixels
from georaster_dl.tiling.split_blocks import TRAIN, VALIDATION
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.rivals.classifiers import (
    COSTS,
    FAMILIES,
    Family,
    Learnt,
    fit_forest,
    fit_machine,
    most_pixels,
)
from georaster_dl.training.rivals.ground import Ground, draw_learnt, draw_tested

__all__ = ["JUDGED", "Rival", "fit_rivals", "mean_iou"]

JUDGED = 50_000
"""Pixels of a part, at most, on which methods are compared."""

_WINDOWS = (5, 15, 31)  # pixels: a roof's texture, a roof, what is around it
_COMPONENTS = 3

Fit = Callable[[Learnt, Texture], tuple[Architecture, TexturedPixels]]


@dataclass(frozen=True)
class Rival:
    """A classifier beside the network.

    Attributes
    ----------
    name : for people.
    iou : mean IoU on the validation ground.
    mapped : (n,) classes of the pixels of that ground.
    seconds : that it took, with its share of reading pixels.
    """

    name: str
    architecture: Architecture
    network: TexturedPixels
    iou: float
    mapped: npt.NDArray[np.integer] = field(repr=False)
    seconds: float

    @property
    def halo(self) -> ModelHalo:
        """Context of a tile: the reach of the texture, exactly."""
        reach = self.network.texture.reach
        return ModelHalo(default=reach, exact=reach)


def fit_rivals(
    data: TrainingData, families: Sequence[Family], report: Report
) -> tuple[list[Rival], Ground]:
    """Fit the methods to spectra, and to spectra and texture, of a sample of the training part.

    Pixels are normalised as the network's are. Of a support vector machine the C is taken that is best on the
    validation ground.

    Returns
    -------
    The methods, and the validation pixels on which they were judged.
    """
    begun = time.monotonic()
    # As many whatever is wanted, so that a method alone learns from the pixels that it has in a comparison.
    learnt_ground = draw_learnt(data, max(map(most_pixels, get_args(Family))))
    judged = draw_tested(data, VALIDATION, JUDGED)
    weights = _weights(learnt_ground, data)
    rivals: list[Rival] = []
    for texture, what in _textures(data, learnt_ground):
        learnt = Learnt(
            learnt_ground.features(texture), learnt_ground.classes, weights, len(data.names)
        )
        tested = judged.features(texture)
        for family in families:
            drawn = _thinned(learnt, most_pixels(family), data.config.seed)
            if family == "svm" and len(np.unique(drawn.classes)) < len(data.names):
                continue  # each pair of classes needs a machine
            name, found = f"{FAMILIES[family]} ({what})", []
            for fit in _fits(family, data.config.seed):
                architecture, network = fit(drawn, texture)
                mapped = _classified(network, tested)
                iou, seconds = mean_iou(mapped, judged), time.monotonic() - begun
                found.append(Rival(name, architecture, network, iou, mapped, seconds))
            rival = max(found, key=lambda each: each.iou)
            report(RivalJudged(rival.name, round(iou, 4), round(seconds, 1)))
            rivals.append(rival)
            begun = time.monotonic()
    return rivals, judged


def mean_iou(mapped: npt.NDArray[np.integer], ground: Ground) -> float:
    """Score mapped classes (n,) by their mean IoU."""
    return Confusion.of(mapped, ground.classes, ground.data.names).mean_iou


def _fits(family: Family, seed: int) -> list[Fit]:
    if family == "rf":
        return [partial(fit_forest, seed=seed)]
    return [partial(fit_machine, cost=cost) for cost in COSTS]


def _textures(data: TrainingData, ground: Ground) -> Iterator[tuple[Texture, str]]:
    """Make the inputs of classifiers: the bands, and the bands with the texture of their principal components."""
    bands = len(data.bands)
    plain = Texture(bands, (), 1)
    yield plain, "spectrum"
    spectra = ground.features(plain).astype(np.float64)
    centre = spectra.mean(axis=0)
    axes = np.linalg.eigh(np.cov(spectra.T).reshape(bands, bands))[1][:, ::-1]
    textured = Texture(bands, _WINDOWS, min(_COMPONENTS, bands))
    kept = axes[:, : len(textured.axes)].T
    # The sign of an axis is by chance.
    kept = kept * np.sign(kept.sum(axis=1, keepdims=True) + 1e-12)
    textured.axes.copy_(torch.from_numpy(kept))
    textured.centre.copy_(torch.from_numpy(kept @ centre))
    yield textured, "spectrum and texture"


def _weights(ground: Ground, data: TrainingData) -> npt.NDArray[np.float64]:
    """Weights (n,) of mean 1 with which each class has its share of all labels of the training part."""
    drawn = np.bincount(ground.classes, minlength=len(data.names))
    labelled = data.split.labelled(TRAIN)
    shares: npt.NDArray[np.float64] = (labelled / np.maximum(drawn, 1))[ground.classes]
    weights: npt.NDArray[np.float64] = shares / shares.mean()
    return weights


def _thinned(learnt: Learnt, most: int, seed: int) -> Learnt:
    """Draw some of the pixels where there are more."""
    if len(learnt.classes) <= most:
        return learnt
    chosen = np.random.default_rng(seed).permutation(len(learnt.classes))[:most]
    return replace(
        learnt,
        features=learnt.features[chosen],
        classes=learnt.classes[chosen],
        weights=learnt.weights[chosen],
    )


@torch.inference_mode()
def _classified(
    network: TexturedPixels, features: npt.NDArray[np.float32]
) -> npt.NDArray[np.integer]:
    """Classes (n,) of the planes (n, planes) that the texture gave."""
    planes = network.classifier(torch.from_numpy(features).T[None, :, None])
    mapped: npt.NDArray[np.integer] = planes[0, :, 0].argmax(0).numpy()
    return mapped
