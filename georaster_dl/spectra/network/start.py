"""Weights of a package that networks of spectra start from."""

from __future__ import annotations

from torch import nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import last_convolution
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import find_model, load_model, read_card
from georaster_dl.models.registry import spectral_models
from georaster_dl.models.runtime.start import copy_fitting
from georaster_dl.models.zoo.ensemble import Ensemble

__all__ = ["method_of_start", "start_from"]


def method_of_start(init: str) -> str:
    """Name the method whose networks can start from a package.

    Raises
    ------
    UnknownModelError
        When there is no such package.
    OptionError
        When it holds no network of single spectra.
    """
    name = _architecture(read_card(find_model(init)))
    if name not in spectral_models():
        raise OptionError(
            f"{init} holds the architecture {name!r}, which no network of tables can start from; give a package of "
            f"{', '.join(spectral_models())}, such as one of `geodl spectra pretrain`."
        )
    return name.replace("_", "-")


def start_from(network: nn.Module, init: str) -> str:
    """Take over the weights of a package, or of a bundled model, but for the last layer, in place.

    Returns
    -------
    How many were taken, for people.

    Raises
    ------
    ModelPackageError, UnknownModelError
        When it cannot be loaded.
    OptionError
        When its architecture is another, or less than half of the encoder's tensors fit.
    """
    card, source = load_model(find_model(init))
    if isinstance(source, Ensemble):
        source = source.members[0]
    if type(source) is not type(network):
        raise OptionError(
            f"{init} holds the architecture {_architecture(card)!r}, but the network to train is "
            f"{type(network).__name__}; choose the same architecture, or other weights to start from."
        )
    head = last_convolution(network)
    return copy_fitting(
        network,
        {k: v for k, v in source.state_dict().items() if not k.startswith(f"{head}.")},
    )


def _architecture(card: Card) -> str:
    stated = card.architecture
    return str(stated.options.get("member")) if stated.name == "ensemble" else stated.name
