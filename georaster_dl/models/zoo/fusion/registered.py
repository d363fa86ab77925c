"""Registration of the networks that weigh the modalities of several sensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from georaster_dl.models.options import checked_options
from georaster_dl.models.registry import NetworkSpec, register_model

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []


@register_model(options={"widths": (32, 48, 64, 96), "decoder_dropout": 0.0}, modalities=True)
def fusion_unet(spec: NetworkSpec) -> nn.Module:
    """Small U-Net that weighs the sensors in each pixel; whole sensors may be absent."""
    from georaster_dl.models.zoo.fusion.unet import FusionUNet

    modalities = spec.modalities or ("",) * spec.in_bands
    return FusionUNet(modalities, spec.n_classes, **checked_options(spec))
