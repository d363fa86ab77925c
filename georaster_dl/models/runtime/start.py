"""Weights to start from: those of another network that fit."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted

__all__ = ["copy_fitting"]

_LEAST_SHARE = 0.5


def copy_fitting(network: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """Copy the weights of the same name and shape into a network, in place; the rest stays as it is.

    Returns
    -------
    How many were taken, for people.

    Raises
    ------
    OptionError
        When less than half of the encoder's tensors fit.
    """
    own = network.state_dict()
    fitting = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    encoder = [key for key in own if key.startswith("encoder.")]
    fit = sum(key in fitting for key in encoder)
    if fit < _LEAST_SHARE * len(encoder):
        raise OptionError(
            f"Only {fit} of the {len(encoder)} tensors of the encoder fit those to start from; choose "
            f"the options that those were made with, or start from random weights."
        )
    network.load_state_dict(fitting, strict=False)
    return (
        f"{len(fitting)} of {counted(len(own), 'tensor')}, of the encoder {fit} of {len(encoder)}"
    )
