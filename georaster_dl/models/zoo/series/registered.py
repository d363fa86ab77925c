"""Registrations of the library's networks of image time series."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from georaster_dl.models.options import checked_options
from georaster_dl.models.registry import NetworkSpec, register_model

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []

_DAYS = range(-400, 40_001)  # as in cards


@register_model(options={"dates": None, "dropout": 0.2}, series="pixel")
def ltae(spec: NetworkSpec) -> nn.Module:
    """Attention over a pixel's dates with few weights (Garnot & Landrieu 2020)."""
    from georaster_dl.models.zoo.series.ltae import PixelLTAE

    return PixelLTAE(spec.sensors, spec.n_classes, **checked_options(spec))


@register_model(
    options={"steps": 37, "first": 0, "last": 360, "width": 64, "kernel": 5, "dropout": 0.5},
    series="pixel",
)
def tempcnn(spec: NetworkSpec) -> nn.Module:
    """Convolutions along regular dates, to which a pixel's series is interpolated (Pelletier et al. 2019)."""
    from georaster_dl.models.zoo.series.tempcnn import TempCNN

    return TempCNN(spec.sensors, spec.n_classes, **checked_options(spec, first=_DAYS, last=_DAYS))


_RECURRENT = {
    "layers": 2,
    "width": 128,
    "bidirectional": True,
    "positions": True,
    "dropout": 0.2,
}


@register_model(options={**_RECURRENT, "layers": 1}, series="pixel")
def rnn(spec: NetworkSpec) -> nn.Module:
    """Elman's recurrent network over a pixel's dates, from both ends."""
    return _recurrent(spec)


@register_model(options=_RECURRENT, series="pixel")
def lstm(spec: NetworkSpec) -> nn.Module:
    """Long short-term memory over a pixel's dates, from both ends."""
    return _recurrent(spec)


@register_model(options=_RECURRENT, series="pixel")
def gru(spec: NetworkSpec) -> nn.Module:
    """Gated recurrent units over a pixel's dates, from both ends."""
    return _recurrent(spec)


def _recurrent(spec: NetworkSpec) -> nn.Module:
    """Build the recurrent network whose cells are named as the architecture."""
    from georaster_dl.models.zoo.series.recurrent import Recurrent

    return Recurrent(spec.sensors, spec.n_classes, cell=spec.architecture, **checked_options(spec))


@register_model(options={"geometry": True, "dropout": 0.2}, series="set")
def pse_tae(spec: NetworkSpec) -> nn.Module:
    """Parcels as sets of pixels, with attention over their dates (Garnot et al. 2020)."""
    from georaster_dl.models.zoo.series.pixel_set import pse_tae as build

    return build(spec.sensors, spec.n_classes, **checked_options(spec))


@register_model(options={"geometry": True, "dates": None, "dropout": 0.2}, series="set")
def pse_ltae(spec: NetworkSpec) -> nn.Module:
    """Parcels as sets of pixels, with lightweight attention over their dates (Garnot & Landrieu 2020)."""
    from georaster_dl.models.zoo.series.pixel_set import pse_ltae as build

    return build(spec.sensors, spec.n_classes, **checked_options(spec))


@register_model(options={"dropout": 0.2}, series="patch")
def utae(spec: NetworkSpec) -> nn.Module:
    """U-Net over patches with attention over their dates (Garnot & Landrieu 2021)."""
    from georaster_dl.models.zoo.series.utae import UTAE

    return UTAE(spec.sensors, spec.n_classes, **checked_options(spec))


@register_model(options={}, series="pixel")
def presto(spec: NetworkSpec) -> nn.Module:
    """Presto's encoder of monthly series, pretrained and frozen, and a classifier (Tseng et al. 2023)."""
    from georaster_dl.models.zoo.series.presto import Presto

    options = checked_options(replace(spec, encoder_weights=None))
    return Presto(spec.sensors, spec.n_classes, weights=spec.encoder_weights, **options)
