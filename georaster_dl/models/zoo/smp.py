"""The encoder-decoder families of segmentation_models_pytorch, with any of its encoders.

Encoders are its own (``resnet18``, ``mobilenet_v2``, ``mit_b0``, ...) or timm's with the prefix
``tu-`` (``tu-convnext_atto``). Only names that these libraries list are accepted: timm would also
follow names such as ``hf-hub:owner/model`` to the internet or into local folders, and the name may
come from a stranger's model file.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from georaster_dl.core.errors import OptionError, UnknownModelError
from georaster_dl.core.wording import nearest_names
from georaster_dl.models.registry import NetworkSpec, register_model

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []

_register = functools.partial(register_model, encoders=True)
_UNET: dict[str, Any] = {
    "encoder_depth": 5,
    "decoder_use_norm": "batchnorm",
    "decoder_channels": (256, 128, 64, 32, 16),
    "decoder_interpolation": "nearest",
}


@_register(options={**_UNET, "decoder_attention_type": None, "decoder_dropout": 0.0})
def unet(spec: NetworkSpec) -> nn.Module:
    """U-Net: encoder and decoder joined by skips (Ronneberger et al. 2015)."""
    from georaster_dl.models.zoo.layers import channel_dropout

    options = dict(spec.options)
    share = options.pop("decoder_dropout")
    if type(share) not in (int, float) or not 0 <= share < 1:
        raise OptionError(
            f"The architecture 'unet' takes a number from 0 to below 1 as decoder_dropout, but got {share!r}."
        )
    network = _build("Unet", replace(spec, options=options))
    for block in network.get_submodule("decoder.blocks").children():
        # At the end of the block's last sequence, so that no weight gets another name.
        cast("nn.Sequential", block.conv2).extend(channel_dropout(share))
    return network


@_register(options={**_UNET, "decoder_attention_type": None})
def unetplusplus(spec: NetworkSpec) -> nn.Module:
    """U-Net++: nested, dense skips (Zhou et al. 2018)."""
    return _build("UnetPlusPlus", spec)


@_register(options={**_UNET, "decoder_pab_channels": 64})
def manet(spec: NetworkSpec) -> nn.Module:
    """MA-Net: U-Net with position and channel attention (Fan et al. 2020)."""
    return _build("MAnet", spec)


@_register(options={"encoder_depth": 5, "decoder_use_norm": "batchnorm"})
def linknet(spec: NetworkSpec) -> nn.Module:
    """LinkNet: skips are added, which is light and fast (Chaurasia & Culurciello 2017)."""
    return _build("Linknet", spec)


@_register(
    options={
        "encoder_depth": 5,
        "decoder_pyramid_channels": 256,
        "decoder_segmentation_channels": 128,
        "decoder_merge_policy": "add",
        "decoder_dropout": 0.2,
        "decoder_interpolation": "nearest",
    }
)
def fpn(spec: NetworkSpec) -> nn.Module:
    """Feature pyramid network (Kirillov et al. 2017)."""
    return _build("FPN", spec)


@_register(
    options={
        "encoder_depth": 3,
        "psp_out_channels": 512,
        "decoder_use_norm": "batchnorm",
        "psp_dropout": 0.2,
        "upsampling": 8,
    }
)
def pspnet(spec: NetworkSpec) -> nn.Module:
    """PSPNet: pooling over the whole input at four scales (Zhao et al. 2017)."""
    return _build("PSPNet", spec)


@_register(
    options={
        "encoder_depth": 5,
        "encoder_output_stride": 16,
        "decoder_channels": 32,
        "decoder_interpolation": "bilinear",
    }
)
def pan(spec: NetworkSpec) -> nn.Module:
    """Pyramid attention network; inputs of at least 8 strides (Li et al. 2018)."""
    return _build("PAN", spec)


_ATROUS = {
    "encoder_depth": 5,
    "decoder_channels": 256,
    "decoder_atrous_rates": (12, 24, 36),
    "decoder_aspp_dropout": 0.5,
}


@_register(options={**_ATROUS, "encoder_output_stride": 8, "decoder_aspp_separable": False})
def deeplabv3(spec: NetworkSpec) -> nn.Module:
    """DeepLab v3: atrous convolutions at several rates (Chen et al. 2017)."""
    return _build("DeepLabV3", spec)


@_register(options={**_ATROUS, "encoder_output_stride": 16, "decoder_aspp_separable": True})
def deeplabv3plus(spec: NetworkSpec) -> nn.Module:
    """DeepLab v3+: DeepLab v3 with a decoder for sharper edges (Chen et al. 2018)."""
    return _build("DeepLabV3Plus", spec)


@_register(options={"encoder_depth": 5, "decoder_channels": 256, "decoder_use_norm": "batchnorm"})
def upernet(spec: NetworkSpec) -> nn.Module:
    """UPerNet: feature pyramid over pyramid pooling (Xiao et al. 2018)."""
    return _build("UPerNet", spec)


@_register(options={"encoder_depth": 5, "decoder_segmentation_channels": 256})
def segformer(spec: NetworkSpec) -> nn.Module:
    """SegFormer decoder; meant for the encoders mit_b0 to mit_b5 (Xie et al. 2021)."""
    return _build("Segformer", spec)


@_register(
    options={
        "encoder_depth": 4,
        "encoder_output_indices": None,
        "decoder_readout": "cat",
        "decoder_intermediate_channels": (256, 512, 1024, 1024),
        "decoder_fusion_channels": 256,
        "dynamic_img_size": True,  # without it timm's ViT takes one input size only
    }
)
def dpt(spec: NetworkSpec) -> nn.Module:
    """Dense prediction transformer; for timm's vision transformers, tu-vit_* (Ranftl et al. 2021)."""
    return _build("DPT", spec)


def _build(family: str, spec: NetworkSpec) -> nn.Module:
    """Build ``spec`` with the class ``family`` of segmentation_models_pytorch."""
    import torch

    # Where a network is only planned, on the meta device, the library's own tensors stay real.
    with torch.device("cpu"):
        import segmentation_models_pytorch as smp

    weights = _checked_weights(spec)
    options = _fitted(spec)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice to authors of networks, not to our users
            network = getattr(smp, family)(
                encoder_name=spec.encoder,
                encoder_weights=weights,
                in_channels=spec.in_bands,
                classes=spec.n_classes,
                **options,
            )
    except Exception as error:
        # Each encoder refuses what it cannot do with an exception of its own.
        raise _explained(error, spec) from error
    return network  # type: ignore[no-any-return]


def _fitted(spec: NetworkSpec) -> dict[str, Any]:
    """Options as the library takes them; a shallower encoder takes the first default channels."""
    options = {key: list(v) if isinstance(v, tuple) else v for key, v in spec.options.items()}
    if spec.options.get("decoder_channels") == _UNET["decoder_channels"]:
        options["decoder_channels"] = options["decoder_channels"][: spec.options["encoder_depth"]]
    return options


def _explained(error: Exception, spec: NetworkSpec) -> Exception:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    library = type(error).__module__.partition(".")[0]
    offline = isinstance(error, OSError) or library in {"huggingface_hub", "httpx", "requests"}
    if spec.encoder_weights is not None and offline:
        return UnknownModelError(
            f"The weights {spec.encoder_weights!r} of the encoder {spec.encoder!r} could not be fetched "
            f"({reason}); connect to the internet once, point HF_HOME at a folder that holds them, or "
            f"start from random weights (`start.weights='random'`, or encoder_weights=None)."
        )
    return OptionError(
        f"The architecture {spec.architecture!r} cannot be built with the encoder {spec.encoder!r}, "
        f"{spec.in_bands} bands and these options: {reason}; choose another encoder or other options."
    )


def _checked_weights(spec: NetworkSpec) -> str | bool | None:
    """Check the encoder's name and that of its weights; return the latter as the builder takes it."""
    import segmentation_models_pytorch as smp
    import timm

    own = smp.encoders.encoders
    universal = spec.encoder.startswith("tu-")
    bare, _, tag = spec.encoder.removeprefix("tu-").partition(".")
    if not universal and spec.encoder not in own:
        raise _unknown_encoder(spec.encoder, _encoder_names())
    if universal and not (timm.is_model(bare) and set(tag) <= _TAG_CHARACTERS):
        raise _unknown_encoder(spec.encoder, _encoder_names())
    if spec.encoder_weights is None:
        return None
    if universal:
        if not timm.models.is_model_pretrained(spec.encoder.removeprefix("tu-")):
            raise UnknownModelError(
                f"The encoder {spec.encoder!r} has no pretrained weights; use encoder_weights=None."
            )
        return True
    known = list(own[spec.encoder]["pretrained_settings"])
    if spec.encoder_weights not in known:
        raise UnknownModelError(
            f"The encoder {spec.encoder!r} has no weights {spec.encoder_weights!r}; it has "
            f"{', '.join(known) or 'none'}, or use encoder_weights=None."
        )
    return spec.encoder_weights


_TAG_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


@functools.cache
def _encoder_names() -> tuple[str, ...]:
    import segmentation_models_pytorch as smp
    import timm

    return (*smp.encoders.get_encoder_names(), *(f"tu-{name}" for name in timm.list_models()))


def _unknown_encoder(name: str, known: tuple[str, ...]) -> UnknownModelError:
    return UnknownModelError(
        f"No encoder is named {name!r}{nearest_names(name, known)}; use one of "
        f"segmentation_models_pytorch, or one of timm with the prefix tu-."
    )
