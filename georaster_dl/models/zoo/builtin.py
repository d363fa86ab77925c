"""Registrations of the library's own architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from georaster_dl.models.options import checked_options
from georaster_dl.models.registry import (
    NetworkSpec,
    describe_model,
    list_models,
    register_model,
)

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []


@register_model(
    options={
        "mixed": 64,
        "widths": (32, 48, 64, 96),
        "optional_bands": False,
        "decoder_dropout": 0.0,
    }
)
def spectral_unet(spec: NetworkSpec) -> nn.Module:
    """Small U-Net that mixes bands pixel by pixel first; bands may be optional."""
    from georaster_dl.models.zoo.spectral_unet import SpectralUNet

    return SpectralUNet(spec.in_bands, spec.n_classes, **checked_options(spec))


@register_model(options={"code": 20, "hidden": (), "bounded": False})
def dense_autoencoder(spec: NetworkSpec) -> nn.Module:
    """Autoencoder of each pixel's spectrum; its code are the features of a pixel."""
    from georaster_dl.models.zoo.autoencoder import DenseNetwork

    return DenseNetwork(spec.in_bands, spec.n_classes, mirrored=True, **checked_options(spec))


@register_model(options={"code": 20, "hidden": ()})
def dense_classifier(spec: NetworkSpec) -> nn.Module:
    """Classifier of each pixel's spectrum, with the encoder of dense_autoencoder."""
    from georaster_dl.models.zoo.autoencoder import DenseNetwork

    return DenseNetwork(spec.in_bands, spec.n_classes, mirrored=False, **checked_options(spec))


@register_model(options={"features": 20, "width": 64, "deconv_width": 128})
def conv_autoencoder(spec: NetworkSpec) -> nn.Module:
    """Encoder and decoder without skips, 20 features a pixel before the classes (Dechesne 2018)."""
    from georaster_dl.models.zoo.autoencoder import ConvAutoencoder

    return ConvAutoencoder(spec.in_bands, spec.n_classes, **checked_options(spec))


@register_model(
    options={"widths": (64, 128, 256, 512), "depths": (2, 2, 3, 3), "norm": "batch"},
)
def segnet(spec: NetworkSpec) -> nn.Module:
    """SegNet: no skips, but maxima go back to their places (Badrinarayanan et al. 2017)."""
    from georaster_dl.models.zoo.layers import NORMS
    from georaster_dl.models.zoo.segnet import SegNet

    return SegNet(spec.in_bands, spec.n_classes, **checked_options(spec, norm=NORMS))


@register_model(
    options={
        "widths": (64, 128, 256, 512, 1024),
        "gate": "none",
        "residual": False,
        "norm": "batch",
        "decoder_dropout": 0.0,
    },
)
def plain_unet(spec: NetworkSpec) -> nn.Module:
    """The published U-Net, with channel gates, residuals and norms to choose (Ronneberger 2015)."""
    from georaster_dl.models.zoo.layers import GATES, NORMS
    from georaster_dl.models.zoo.plain_unet import PlainUNet

    return PlainUNet(spec.in_bands, spec.n_classes, **checked_options(spec, gate=GATES, norm=NORMS))


@register_model(options={"widths": (32, 64, 96, 128), "hidden": 256})
def patch_cnn(spec: NetworkSpec) -> nn.Module:
    """Classifier of the middle pixel of 65 x 65, run on every pixel (Postadjian et al. 2017)."""
    from georaster_dl.models.zoo.patch_cnn import PatchCNN

    return PatchCNN(spec.in_bands, spec.n_classes, **checked_options(spec))


@register_model(options={"decoder_dropout": 0.0}, spectral=True)
def cnn1d(spec: NetworkSpec) -> nn.Module:
    """Convolutions along the bands of each pixel, then dense layers (as for NIR spectra)."""
    from georaster_dl.models.zoo.spectral.cnn1d import CNN1d

    return CNN1d(spec.in_bands, spec.n_classes, **checked_options(spec))


@register_model(
    options={
        "heads": 2,
        "key_dim": 64,
        "pooled": False,
        "dropout": 0.1,
        "noise": 0.01,
        "decoder_dropout": 0.0,
    },
    spectral=True,
)
def spectratr(spec: NetworkSpec) -> nn.Module:
    """Transformer over tokens of five bands of each pixel (Fu et al. 2022)."""
    from georaster_dl.models.zoo.spectral.spectratr import SpectraTr

    return SpectraTr(spec.in_bands, spec.n_classes, **checked_options(spec))


@register_model(
    options={"group": 3, "patch": 1, "fusion": True, "dropout": 0.1, "decoder_dropout": 0.0}
)
def spectralformer(spec: NetworkSpec) -> nn.Module:
    """Transformer over the bands of each pixel, or of the patch around it (Hong et al. 2022)."""
    from georaster_dl.models.zoo.spectral.spectralformer import PatchSpectralFormer, SpectralFormer

    options = checked_options(spec)
    patch = options["patch"]
    if patch == 1:
        return SpectralFormer(spec.in_bands, spec.n_classes, **options)
    return PatchSpectralFormer(spec.in_bands, spec.n_classes, **options)


@register_model(options={"reduced": 30, "dropout": 0.1, "decoder_dropout": 0.0})
def ssftt(spec: NetworkSpec) -> nn.Module:
    """Spectral-spatial tokens of 13 x 13 pixels around each pixel (Sun et al. 2022)."""
    from georaster_dl.models.zoo.ssftt import SSFTT

    return SSFTT(spec.in_bands, spec.n_classes, **checked_options(spec))


@register_model(
    options={"width": 64, "depth": 2, "heads": 4, "token": 16, "dropout": 0.1},
    spectral=True,
)
def band_attention(spec: NetworkSpec) -> nn.Module:
    """Attention among the bands of each pixel, which knows their wavelengths."""
    from georaster_dl.models.zoo.spectral.band_attention import BandAttention

    return BandAttention(
        spec.in_bands, spec.n_classes, wavelengths_nm=spec.wavelengths_nm, **checked_options(spec)
    )


@register_model(options={"decoder_dropout": 0.0}, spectral=True)
def pls_net(spec: NetworkSpec) -> nn.Module:
    """PLS of each pixel's spectrum, and dense layers that learn its residuals."""
    from georaster_dl.models.zoo.spectral.pls_net import PLSNet

    return PLSNet(spec.in_bands, spec.n_classes, **checked_options(spec))


def _options_of_members() -> dict[str, Any]:
    """Return the options of an ensemble and of all possible members, whose defaults hold where None."""
    members = [describe_model(name)[1] for name in list_models() if name != ensemble.__name__]
    return {"member": "cnn1d", "members": 5, "spread": False} | dict.fromkeys(
        name for options in members for name in options
    )


@register_model(options=_options_of_members)
def ensemble(spec: NetworkSpec) -> nn.Module:
    """Several networks of another architecture, their mean, and how far apart they are."""
    from georaster_dl.models.zoo.ensemble import ensemble_of

    return ensemble_of(spec)
