"""Registrations of the networks of fractions, which `geodl unmix` fits to a scene without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import NetworkSpec, register_model

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []


@register_model(options={"shade": False}, fitted="scenes")
def linear_mixing(spec: NetworkSpec) -> nn.Module:
    """Linear mixing of known members: fractions by fully constrained least squares (Heinz & Chang 2001)."""
    from georaster_dl.models.zoo.unmixing.linear import LinearMixing

    most = spec.in_bands + (0 if _flag(spec, "shade") else 1)
    if spec.n_classes > most:
        raise OptionError(
            f"The architecture {spec.architecture!r} of {spec.in_bands} bands tells at most {most} members apart, but "
            f"{spec.n_classes} are asked for; take fewer."
        )
    return LinearMixing(spec.in_bands, spec.n_classes, shade=_flag(spec, "shade"))


@register_model(options={"bilinear": False}, fitted="scenes")
def unmix_ae(spec: NetworkSpec) -> nn.Module:
    """Autoencoder of fractions whose decoder holds the members (in the manner of Palsson et al. 2021)."""
    from georaster_dl.models.zoo.unmixing.autoencoder import UnmixingAutoencoder

    return UnmixingAutoencoder(spec.in_bands, spec.n_classes, bilinear=_flag(spec, "bilinear"))


def _flag(spec: NetworkSpec, name: str) -> bool:
    value = spec.options[name]
    if type(value) is not bool:
        raise OptionError(
            f"The architecture {spec.architecture!r} takes true or false as {name}, but got {value!r}."
        )
    return value
