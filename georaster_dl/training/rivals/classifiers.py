"""Forests and support vector machines fitted by scikit-learn, as networks of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from georaster_dl.models.package.card import Architecture
from georaster_dl.models.registry import create_model
from georaster_dl.models.zoo.texture.features import Texture
from georaster_dl.models.zoo.texture.network import TexturedPixels
from georaster_dl.spectra.methods.baselines import baseline
from georaster_dl.spectra.package.networks import pair_weights, tree_arrays

__all__ = [
    "COSTS",
    "FAMILIES",
    "Family",
    "Learnt",
    "fit_forest",
    "fit_machine",
    "forest_network",
    "most_pixels",
]

Family = Literal["rf", "svm"]
FAMILIES: Mapping[Family, str] = {"rf": "random forest", "svm": "support vector machine"}
"""Methods by the name of the setting, with the name for people."""

COSTS = (10.0, 100.0)
"""Values of C that are tried for a support vector machine; its gamma is scikit-learn's ``scale``."""

_TREES = 100
_SMALLEST_LEAF = 3
_DEEPEST = 20  # a map's time grows with the depth
# The time of a support vector machine grows with the square of its pixels.
_MOST: Mapping[Family, int] = {"rf": 20_000, "svm": 3_000}

Floats = npt.NDArray[np.floating[Any]]
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Learnt:
    """Pixels to learn from.

    Attributes
    ----------
    features, classes, weights : (n, planes), (n,) and (n,); the weights give each class its share of the labels.
    count : classes of the legend, of which some may have no pixel.
    """

    features: npt.NDArray[np.float32]
    classes: Classes
    weights: npt.NDArray[np.float64]
    count: int


def most_pixels(family: Family) -> int:
    """Limit the training pixels of a method."""
    return _MOST[family]


def fit_forest(learnt: Learnt, texture: Texture, seed: int) -> tuple[Architecture, TexturedPixels]:
    """Fit a random forest, and make a network of it that gives the logarithms of its probabilities."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        _TREES, min_samples_leaf=_SMALLEST_LEAF, max_depth=_DEEPEST, n_jobs=-1, random_state=seed
    )
    forest.fit(learnt.features, learnt.classes, sample_weight=learnt.weights)
    return forest_network(forest, texture, learnt.count)


def forest_network(
    forest: Any, texture: Texture, count: int
) -> tuple[Architecture, TexturedPixels]:
    """Make a network of a fitted forest of scikit-learn.

    Parameters
    ----------
    count : classes of the legend; the forest's ``classes_`` are indexes into it.
    """
    trees = [tree.tree_ for tree in forest.estimators_]
    nodes = max(tree.node_count for tree in trees)
    parts = [tree_arrays(tree, nodes) for tree in trees]
    arrays = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    values = np.zeros((*arrays["values"].shape[:2], count))
    values[..., forest.classes_] = arrays["values"]
    arrays |= {"values": values, "threshold": _rounded_down(arrays["threshold"])}
    options = {
        "trees": [len(trees)],
        "nodes": [int(nodes)],
        "depth": [max(1, *(int(tree.max_depth) for tree in trees))],
    }
    return _network("pixel_rf", options, texture, count, _named("forests", arrays))


def fit_machine(
    learnt: Learnt, texture: Texture, cost: float
) -> tuple[Architecture, TexturedPixels]:
    """Fit a support vector machine with a radial kernel, and make a network of it that gives its votes."""
    pipeline = baseline("svm", "classification", {"C": cost})
    pipeline.fit(learnt.features, learnt.classes, svc__sample_weight=learnt.weights)
    scaler, machine = pipeline
    root = np.sqrt(machine._gamma)
    arrays = {
        "gain": root / scaler.scale_,
        "bias": -root * scaler.mean_ / scaler.scale_,
        "vectors": root * machine.support_vectors_,
        "weights": pair_weights(machine),
        "constant": machine.intercept_,
    }
    options = {"vectors": [len(machine.support_vectors_)]}
    return _network("pixel_svm", options, texture, learnt.count, _named("machines", arrays))


def _network(
    name: str,
    options: dict[str, Any],
    texture: Texture,
    count: int,
    arrays: Mapping[str, Floats],
) -> tuple[Architecture, TexturedPixels]:
    components, bands = texture.axes.shape
    own: dict[str, Any] = {
        "windows": list(texture.windows),
        "components": max(components, 1),
        **options,
    }
    chosen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in own.items()}
    network = create_model(name, in_bands=bands, n_classes=count, **chosen)
    assert isinstance(network, TexturedPixels)
    weights = {f"classifier.{key}": torch.as_tensor(array) for key, array in arrays.items()}
    weights |= {f"texture.{key}": value for key, value in texture.state_dict().items()}
    weights["classifier.sharpness"] = torch.ones(())
    network.load_state_dict(weights)
    return Architecture(name=name, options=own), network.eval()


def _named(group: str, arrays: Mapping[str, Floats]) -> dict[str, Floats]:
    return {f"{group}.0.{name}": array for name, array in arrays.items()}


def _rounded_down(thresholds: Floats) -> npt.NDArray[np.float32]:
    """Round to float32 so that each float32 is at or below the same thresholds as before."""
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
