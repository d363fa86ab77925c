"""Fitted methods as networks that a model package can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from georaster_dl.models.package.card import Architecture
from georaster_dl.models.registry import create_model
from georaster_dl.spectra.methods.fitted import FittedMethod

if TYPE_CHECKING:
    from torch import nn

__all__ = ["network_of_method"]

Tensors = dict[str, Any]
"""Arrays by the names of a network's buffers."""


def network_of_method(fitted: FittedMethod) -> tuple[Architecture, nn.Module]:
    """Make the network that predicts as a fitted method does, with its name and options in the registry."""
    options, arrays = _CONVERSIONS[fitted.method](fitted)
    planes = len(fitted.target_mean if fitted.classes is None else fitted.classes)
    network = create_model(
        fitted.method, in_bands=len(fitted.mean), n_classes=planes, encoder_weights=None, **options
    )
    network.load_state_dict({name: torch.as_tensor(array) for name, array in arrays.items()})
    return Architecture(name=fitted.method, options=options), network.eval()


def _pls(fitted: FittedMethod) -> tuple[dict[str, Any], Tensors]:
    parts = [_linear(estimator) for estimator in fitted.estimators]
    coefficients = np.concatenate([of_bands for of_bands, _ in parts])
    intercept = np.concatenate([constant for _, constant in parts])
    if fitted.classes is None:
        coefficients = coefficients / fitted.target_std[:, None]
        intercept = (intercept - fitted.target_mean) / fitted.target_std
    else:
        coefficients, intercept = fitted.sharpness * coefficients, fitted.sharpness * intercept
    return {}, {
        "coefficients": coefficients * fitted.std,
        "intercept": intercept + coefficients @ fitted.mean,
    }


def _linear(estimator: Any) -> tuple[Any, Any]:
    """Coefficients (targets, bands) and intercepts (targets,) of a PLS on preprocessed spectra."""
    model = getattr(estimator, "regressor_", estimator)
    bands = model.n_features_in_
    at_zero = np.reshape(model.predict(np.zeros((1, bands))), -1)
    each = np.reshape(model.predict(np.eye(bands)), (bands, -1)) - at_zero
    return each.T, at_zero


_CONVERSIONS: Mapping[str, Callable[[FittedMethod], tuple[dict[str, Any], Tensors]]] = {"pls": _pls}
