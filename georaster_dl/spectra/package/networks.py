"""Fitted methods as networks that a model package can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from georaster_dl.models.package.card import Architecture
from georaster_dl.models.registry import create_model
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.package.library import CompressedLibrary, library_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MethodNetwork", "network_of_method", "pair_weights", "tree_arrays"]

_Arrays = Mapping[str, npt.ArrayLike]


@dataclass(frozen=True, eq=False)
class MethodNetwork:
    """A network that predicts as a fitted method does.

    Attributes
    ----------
    architecture : by which the registry builds it.
    network : filled.
    notes : on what it holds, for the card.
    """

    architecture: Architecture
    network: nn.Module = field(repr=False)
    notes: Mapping[str, str]


def network_of_method(fitted: FittedMethod) -> MethodNetwork:
    """Make the network that predicts as a fitted method does."""
    options, arrays, notes = _CONVERSIONS[fitted.method](fitted)
    if fitted.fractions:
        options = {**options, "head": "fractions"}
    planes = len(fitted.target_mean if fitted.classes is None else fitted.classes)
    sizes: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in options.items()}
    network = create_model(fitted.method, in_bands=len(fitted.mean), n_classes=planes, **sizes)
    network.load_state_dict({name: torch.as_tensor(array) for name, array in arrays.items()})
    architecture = Architecture(name=fitted.method, options=options)
    return MethodNetwork(architecture, network.eval(), notes)


_Conversion = tuple[dict[str, Any], _Arrays, Mapping[str, str]]


def _scaling(fitted: FittedMethod, number: int) -> tuple[Any, Any]:
    """Mean and scale by which an estimator's predictions are standardised for the network."""
    if fitted.classes is None:
        return fitted.target_mean[number], fitted.target_std[number]
    return 0.0, 1 / fitted.sharpness


def _joined(name: str, parts: list[_Arrays]) -> dict[str, npt.ArrayLike]:
    return {
        f"{name}.{i}.{key}": value for i, part in enumerate(parts) for key, value in part.items()
    }


def _pls(fitted: FittedMethod) -> _Conversion:
    parts = []
    for number, estimator in enumerate(fitted.estimators):
        model = getattr(estimator, "regressor_", estimator)
        mean, scale = _scaling(fitted, number)
        at_zero = np.reshape(model.predict(np.zeros((1, len(fitted.mean)))), -1)
        of_bands = np.reshape(model.predict(np.eye(len(fitted.mean))), (len(fitted.mean), -1))
        of_bands = (of_bands - at_zero).T / scale
        of_bands[:, ~model.bands_] = 0  # which rounding would not leave so
        parts.append((of_bands, (at_zero - mean) / scale))
    coefficients = np.concatenate([of_bands for of_bands, _ in parts])
    intercept = np.concatenate([constant for _, constant in parts])
    arrays = {
        "coefficients": coefficients * fitted.std,
        "intercept": intercept + coefficients @ fitted.mean,
    }
    return {}, arrays, {}


def _lwplsr(fitted: FittedMethod) -> _Conversion:
    libraries = [
        library_of(
            getattr(estimator, "regressor_", estimator),
            fitted.mean,
            fitted.std,
            *_scaling(fitted, i),
        )
        for i, estimator in enumerate(fitted.estimators)
    ]
    options = {
        name: [library.sizes[name] for library in libraries] for name in CompressedLibrary.SIZES
    }
    arrays = _joined("libraries", [library.arrays for library in libraries])
    kept = [
        f"{library.sizes['spectra']:,} spectra as {library.sizes['coordinates']} components, {library.megabytes:.1f} MB "
        f"(predictions change by {library.changed:.0e} standard deviations)"
        for library in libraries
    ]
    return options, arrays, {"library": "; ".join(kept)}


def _svm(fitted: FittedMethod) -> _Conversion:
    machines: list[_Arrays] = []
    for number, pipeline in enumerate(fitted.estimators):
        scaler, machine = pipeline[0], pipeline[-1]
        mean, scale, slope, constant = 0.0, 1.0, 1.0, 0.0
        if fitted.classes is None:
            mean, scale = _scaling(fitted, number)
            slope, constant = machine.transformer_.scale_[0], machine.transformer_.mean_[0]
            machine = machine.regressor_
        root = np.sqrt(machine._gamma)
        weights = pair_weights(machine)
        machines.append(
            {
                "gain": root * fitted.std / scaler.scale_,
                "bias": root * (fitted.mean - scaler.mean_) / scaler.scale_,
                "vectors": root * machine.support_vectors_,
                "weights": weights * slope / scale,
                "constant": (machine.intercept_ * slope + constant - mean) / scale,
            }
        )
    vectors = [len(np.asarray(machine["vectors"])) for machine in machines]
    arrays = _joined("machines", machines) | {"sharpness": fitted.sharpness}
    return {"vectors": vectors, "classes": fitted.classes is not None}, arrays, {}


def pair_weights(machine: Any) -> npt.NDArray[np.float64]:
    """Weights (pairs or 1, vectors) of support vectors; libsvm keeps, of each, one for each other class."""
    dual = np.asarray(machine.dual_coef_)
    if len(dual) == 1:
        return dual
    last = np.cumsum(machine.n_support_)
    of_class = [slice(stop - n, stop) for stop, n in zip(last, machine.n_support_, strict=True)]
    pairs = list(combinations(range(len(of_class)), 2))
    weights = np.zeros((len(pairs), dual.shape[1]))
    for pair, (one, other) in enumerate(pairs):
        weights[pair, of_class[one]] = dual[other - 1, of_class[one]]
        weights[pair, of_class[other]] = dual[one, of_class[other]]
    return weights


def _rf(fitted: FittedMethod) -> _Conversion:
    forests: list[_Arrays] = []
    sizes: dict[str, Any] = {"trees": [], "nodes": [], "depth": []}
    for number, forest in enumerate(fitted.estimators):
        trees = [tree.tree_ for tree in forest.estimators_]
        nodes = max(tree.node_count for tree in trees)
        mean, scale = _scaling(fitted, number) if fitted.classes is None else (0.0, 1.0)
        parts = [tree_arrays(tree, nodes) for tree in trees]
        arrays = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
        band = arrays["band"]
        arrays["threshold"] = (arrays["threshold"] - fitted.mean[band]) / fitted.std[band]
        arrays["values"] = (arrays["values"] - mean) / scale
        forests.append(arrays)
        sizes["trees"].append(len(trees))
        sizes["nodes"].append(int(nodes))
        sizes["depth"].append(max(1, *(int(tree.max_depth) for tree in trees)))
    options = sizes | {"classes": fitted.classes is not None}
    return options, _joined("forests", forests) | {"sharpness": fitted.sharpness}, {}


def tree_arrays(tree: Any, nodes: int) -> dict[str, npt.NDArray[Any]]:
    """Arrays of one tree of scikit-learn, filled up to a number of nodes, as ``Trees`` has them."""
    own = np.arange(tree.node_count)
    leaf = tree.children_left < 0
    arrays = {
        "band": np.where(leaf, 0, tree.feature).astype(np.int32),
        "threshold": np.where(leaf, 0.0, tree.threshold),
        "left": np.where(leaf, own, tree.children_left).astype(np.int32),
        "right": np.where(leaf, own, tree.children_right).astype(np.int32),
        "values": tree.value[:, 0],
    }
    more = nodes - tree.node_count
    return {
        name: np.pad(array, [(0, more), *[(0, 0)] * (array.ndim - 1)])
        for name, array in arrays.items()
    }


_CONVERSIONS: Mapping[str, Callable[[FittedMethod], _Conversion]] = {
    "pls": _pls,
    "lwplsr": _lwplsr,
    "svm": _svm,
    "rf": _rf,
}
