"""The architectures of this library's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from georaster_dl.errors import OptionError, UnknownModelError
from georaster_dl.models.registry import Plan, register_model

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []

_MOST_LEVELS = 10  # a card's stride goes up to 512


@register_model(
    options={"mixed": 64, "widths": (32, 48, 64, 96), "optional_bands": False}, encoders=False
)
def spectral_unet(plan: Plan) -> nn.Module:
    """Small U-Net that mixes bands pixel by pixel first; bands may be optional."""
    from georaster_dl.models.spectral_unet import SpectralUNet

    if plan.encoder_weights is not None:
        raise UnknownModelError(
            f"The architecture 'spectral_unet' has no pretrained weights {plan.encoder_weights!r}; start "
            f"from random ones or from a model (geodl train --init random|MODEL)."
        )
    mixed, widths = plan.options["mixed"], plan.options["widths"]
    optional = plan.options["optional_bands"]
    # A card may come from a stranger, so nothing is taken for a number that might be none.
    if (
        not isinstance(widths, tuple)
        or len(widths) > _MOST_LEVELS
        or any(type(width) is not int for width in (*widths, mixed))
        or type(optional) is not bool
    ):
        raise OptionError(
            f"The architecture 'spectral_unet' takes a whole number as mixed, up to {_MOST_LEVELS} whole "
            f"numbers as widths and true or false as optional_bands, but got {mixed!r}, {widths!r} and "
            f"{optional!r}."
        )
    return SpectralUNet(
        plan.in_bands, plan.n_classes, mixed=mixed, widths=widths, optional_bands=optional
    )
