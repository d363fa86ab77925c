"""The architectures by name: a small registry that knows which options each one accepts.

A family is registered by decorating the function that builds it::

    @register_model(options={"depth": 5})
    def unet(plan: Plan) -> nn.Module:
        \"\"\"U-Net: encoder and decoder joined by skips.\"\"\"

The function's name is the architecture's name and its docstring's first line the summary that
``geodl models list --architectures`` prints. Options and their defaults are stated here and always
handed on, so a new default in a library below cannot silently change what a saved model means.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from georaster_dl.core.errors import OptionError, UnknownModelError
from georaster_dl.core.wording import counted, nearest_names

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "Plan",
    "create_model",
    "describe_model",
    "list_models",
    "network_stride",
    "register_model",
    "takes_encoder",
]


@dataclass(frozen=True)
class Plan:
    """What to build: the channels in and out, the encoder, and every option of the architecture.

    ``wavelengths_nm`` are those of the bands, in their order; None where nothing is known of them.
    """

    architecture: str
    in_bands: int
    n_classes: int
    encoder: str
    encoder_weights: str | None
    options: Mapping[str, Any]
    wavelengths_nm: tuple[float | None, ...] | None = None


Builder = Callable[[Plan], "nn.Module"]


@dataclass(frozen=True)
class _Family:
    name: str
    summary: str
    options: Mapping[str, Any]
    encoders: bool
    build: Builder


_FAMILIES: dict[str, _Family] = {}


def register_model(
    *, options: Mapping[str, Any], encoders: bool = True
) -> Callable[[Builder], Builder]:
    """Register the decorated builder under its own name.

    Parameters
    ----------
    options : the options it accepts, with their defaults.
    encoders : whether it is built around an encoder that can be chosen.

    Raises
    ------
    OptionError
        When the name is taken.
    """

    def register(build: Builder) -> Builder:
        name = build.__name__
        if name in _FAMILIES:
            raise OptionError(
                f"An architecture named {name!r} is registered already; choose another name."
            )
        summary = (build.__doc__ or "").strip().partition("\n")[0]
        _FAMILIES[name] = _Family(name, summary, dict(options), encoders, build)
        return build

    return register


def _families() -> dict[str, _Family]:
    # Late, because the families import this module; cheap, because they import torch later still.
    from georaster_dl.models.zoo import builtin as own  # noqa: F401
    from georaster_dl.models.zoo import smp  # noqa: F401

    return _FAMILIES


def _family(name: str) -> _Family:
    families = _families()
    canonical = _canonical(name)
    if canonical not in families:
        raise UnknownModelError(
            f"No architecture is named {name!r}{nearest_names(canonical, families)}; "
            f"`geodl models list --architectures` lists all {len(families)}."
        )
    return families[canonical]


def _canonical(name: str) -> str:
    """Name as it is registered: a hyphen is as good as an underscore."""
    return name.replace("-", "_")


def list_models(pattern: str = "*") -> list[str]:
    """Names of the architectures that match a shell pattern such as ``"deeplab*"``, sorted."""
    names = list(_families())
    hyphened = {name.replace("_", "-"): name for name in names}
    found = fnmatch.filter(hyphened, pattern)
    return sorted({*fnmatch.filter(names, pattern), *(hyphened[name] for name in found)})


def describe_model(name: str) -> tuple[str, dict[str, Any]]:
    """One-line summary of an architecture, and its options with their defaults."""
    family = _family(name)
    return family.summary, dict(family.options)


def takes_encoder(name: str) -> bool:
    """Whether an architecture is built around an encoder that can be chosen."""
    return _family(name).encoders


def create_model(
    name: str,
    *,
    in_bands: int,
    n_classes: int,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    wavelengths_nm: Sequence[float | None] | None = None,
    **options: Any,
) -> nn.Module:
    """Build a network with fresh weights.

    Parameters
    ----------
    name : architecture, see ``list_models``; with hyphens or underscores.
    in_bands : number of input planes, any.
    n_classes : number of output planes: classes, 1 for a quantity, the bands for an autoencoder.
    encoder : encoder of segmentation_models_pytorch, timm's with the prefix ``tu-``; of no meaning
        to an architecture that has none to choose.
    encoder_weights : pretrained encoder weights to download, for example ``"imagenet"``;
        None starts from random ones.
    wavelengths_nm : of the bands, None where one has none; for the architectures that make use of
        it, which fall back to band numbers without.
    options : options of the architecture; an unknown one is refused.

    Returns
    -------
    Network from (N, in_bands, rows, cols) float32 to logits (N, n_classes, rows, cols); rows and
    cols must be multiples of ``network_stride``.

    Raises
    ------
    UnknownModelError
        When there is no such architecture, encoder or set of encoder weights.
    OptionError
        When an option is unknown, the network cannot be built with these options, or there are
        not as many wavelengths as bands.
    """
    family = _family(name)
    unknown = sorted(set(options) - set(family.options))
    if unknown:
        raise OptionError(
            f"The architecture {name!r} has no option {', '.join(map(repr, unknown))}; it accepts "
            f"{', '.join(sorted(family.options)) or 'none'}."
        )
    if min(in_bands, n_classes) < 1:
        raise OptionError(
            f"A network needs at least one band and one class, but got in_bands={in_bands} and n_classes={n_classes}."
        )
    known = None if wavelengths_nm is None else tuple(wavelengths_nm)
    if known is not None and len(known) != in_bands:
        raise OptionError(
            f"A network of {counted(in_bands, 'band')} needs as many wavelengths, but got {len(known)}; give None for "
            f"those that are not known."
        )
    chosen = {**family.options, **options}
    return family.build(
        Plan(family.name, in_bands, n_classes, encoder, encoder_weights, chosen, known)
    )


def network_stride(network: nn.Module) -> int:
    """Total down-sampling of a network, in pixels: what tile origins must be multiples of.

    Taken from ``network.stride`` or, for the encoder-decoder families, from
    ``network.encoder.output_stride``.

    Raises
    ------
    OptionError
        When the network states neither.
    """
    for owner, attribute in (
        (network, "stride"),
        (getattr(network, "encoder", None), "output_stride"),
    ):
        stride = getattr(owner, attribute, None)
        if isinstance(stride, int) and stride >= 1:
            return stride
    raise OptionError(
        f"{type(network).__name__} does not state its total down-sampling; give it an integer "
        f"attribute `stride`."
    )
