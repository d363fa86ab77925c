"""Public encoders by name, from torchgeo and timm, with the bands that they read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from georaster_dl.core.bands import Band, named_bands
from georaster_dl.core.errors import OptionError, UnknownModelError
from georaster_dl.core.wording import nearest_names

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "IMAGENET_BANDS",
    "PublicWeights",
    "encoder_of",
    "is_package",
    "is_public",
    "load_public",
]

# Photographs have no exact wavelengths; Sentinel-2's stand for their three colours.
IMAGENET_BANDS = (Band("red", 665.0), Band("green", 560.0), Band("blue", 490.0))

_SENTINEL2 = (
    "B01",
    "B02",
    "B03",
    "B04",
    "B05",
    "B06",
    "B07",
    "B08",
    "B8A",
    "B09",
    "B10",
    "B11",
    "B12",
)
_NO_PACKAGE = ("random", "imagenet", "auto")
_TORCHGEO, _TIMM = "torchgeo:", "timm:"


@dataclass(frozen=True)
class PublicWeights:
    """Weights of an encoder, by the names of its tensors, and the bands of its first convolution in their order."""

    state: dict[str, Tensor]
    bands: tuple[Band, ...]


def is_public(weights: str) -> bool:
    """Whether weights are named as those of torchgeo or timm."""
    return weights.startswith((_TORCHGEO, _TIMM))


def is_package(weights: str) -> bool:
    """Whether weights are those of a model package: a file, or the name of a bundled model."""
    return weights not in _NO_PACKAGE and not is_public(weights)


def encoder_of(weights: str) -> str | None:
    """Return the encoder that public weights belong to; None where it is not known before they are fetched.

    Raises
    ------
    GeoRasterError
        When torchgeo is not installed, or there are no such weights.
    """
    if weights.startswith(_TORCHGEO):
        return f"tu-{_entry(weights).meta['model']}"
    name = weights.removeprefix(_TIMM)
    return None if ":" in name else f"tu-{name.partition('.')[0]}"


def load_public(weights: str) -> PublicWeights:
    """Fetch public weights, or read them where they were fetched before.

    Parameters
    ----------
    weights : ``torchgeo:`` and the name of one of torchgeo's weights, as
        ``torchgeo:ResNet18_Weights.SENTINEL2_ALL_MOCO``; or ``timm:`` and the name of a pretrained model of
        timm, as ``timm:resnet18.a1_in1k`` or ``timm:hf-hub:USER/REPOSITORY``.

    Raises
    ------
    UnknownModelError
        When there are no such weights, or they cannot be fetched.
    OptionError
        When torchgeo is not installed, or it is not known which bands the weights read.
    """
    return _of_torchgeo(weights) if weights.startswith(_TORCHGEO) else _of_timm(weights)


def _of_torchgeo(weights: str) -> PublicWeights:
    entry = _entry(weights)
    bands = _bands(weights, entry.meta.get("bands"), entry.meta["in_chans"])
    try:
        state = entry.get_state_dict(progress=False)
    except (OSError, RuntimeError) as error:
        raise _unreachable(weights, error) from error
    return PublicWeights(dict(state), bands)


def _entry(weights: str) -> Any:
    """Look up an entry of torchgeo's lists of weights."""
    try:
        from torchgeo.models import get_weight
    except ImportError as error:
        raise OptionError(
            f"{weights} needs the package torchgeo, which cannot be imported ({error}); install the extra (pip "
            f"install 'georaster_dl[torchgeo]')."
        ) from error
    try:
        return get_weight(weights.removeprefix(_TORCHGEO))
    except ValueError as error:
        raise UnknownModelError(
            f"torchgeo has no weights {weights.removeprefix(_TORCHGEO)!r}; they are named as "
            f"ResNet18_Weights.SENTINEL2_ALL_MOCO, and its documentation lists them."
        ) from error


def _of_timm(weights: str) -> PublicWeights:
    import timm

    name = weights.removeprefix(_TIMM)
    if ":" not in name and not (timm.is_model(name) and timm.models.is_model_pretrained(name)):
        raise UnknownModelError(
            f"timm has no pretrained model {name!r}{nearest_names(name, timm.list_pretrained())}; use one of these, or "
            f"one of the hub as timm:hf-hub:USER/REPOSITORY."
        )
    try:
        network = timm.create_model(name, pretrained=True, num_classes=0)
    except (
        Exception
    ) as error:  # of the hub's client, of its transport, and of files that are no models
        raise _unreachable(weights, error) from error
    settings: Any = network.pretrained_cfg
    return PublicWeights(network.state_dict(), _bands(weights, None, settings["input_size"][0]))


def _unreachable(weights: str, error: Exception) -> UnknownModelError:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return UnknownModelError(
        f"The weights {weights} could not be fetched ({reason}); connect to the internet once, bring the files to the "
        f"caches of torch and Hugging Face (TORCH_HOME, HF_HOME), or start from other weights (`start.weights=`)."
    )


def _bands(weights: str, names: Sequence[str] | None, channels: int) -> tuple[Band, ...]:
    """Describe the bands that weights read: by their names, else as all 13 of Sentinel-2, else as red, green, blue."""
    if names is None:
        names = {3: (), 13: _SENTINEL2}.get(channels)
        if names is None:
            raise OptionError(
                f"{weights} read {channels} channels, and it is not stated which bands they are; choose weights of "
                f"torchgeo, of photographs (3 channels) or of all 13 bands of Sentinel-2."
            )
    if len(names) != channels:
        return IMAGENET_BANDS
    if "SENTINEL2" in weights.upper() or names == _SENTINEL2:
        return named_bands([re.sub(r"^B(\d)$", r"B0\1", name.upper()) for name in names])
    return tuple(Band(name) for name in names)
