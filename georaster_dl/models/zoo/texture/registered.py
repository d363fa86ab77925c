"""Registrations of the classifiers of a pixel's spectrum and texture, which `geodl train` fits beside a network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import NetworkSpec, register_model
from georaster_dl.models.zoo.chemometrics import registered

if TYPE_CHECKING:
    from torch import nn

    from georaster_dl.models.registry import Builder
    from georaster_dl.models.zoo.chemometrics.per_spectrum import PerSpectrum

__all__: list[str] = []

_TEXTURE = {"windows": (), "components": 1}
_WIDEST = 255


@register_model(options={**_TEXTURE, "trees": (1,), "nodes": (1,), "depth": (1,)}, fitted="pixels")
def pixel_rf(spec: NetworkSpec) -> nn.Module:
    """Random forest of a pixel's spectrum, and of the texture about it where there are windows."""
    return _behind_texture(spec, registered.rf)


@register_model(options={**_TEXTURE, "vectors": (1,)}, fitted="pixels")
def pixel_svm(spec: NetworkSpec) -> nn.Module:
    """Support vector machine of a pixel's spectrum, and of the texture about it where there are windows."""
    return _behind_texture(spec, registered.svm)


def _behind_texture(spec: NetworkSpec, classifier: Builder) -> nn.Module:
    """Build a classifier of tables for the planes of the texture."""
    from georaster_dl.models.zoo.texture.features import Texture
    from georaster_dl.models.zoo.texture.network import TexturedPixels

    own = dict(spec.options)
    windows, components = own.pop("windows"), own.pop("components")
    sides = isinstance(windows, tuple) and all(
        type(side) is int and 3 <= side <= _WIDEST and side % 2 for side in windows
    )
    if not sides or type(components) is not int or not 1 <= components <= spec.in_bands:
        raise OptionError(
            f"The architecture {spec.architecture!r} takes odd sides from 3 to {_WIDEST} as windows and 1 to "
            f"{spec.in_bands} components, but got {windows!r} and {components!r}."
        )
    texture = Texture(spec.in_bands, windows, components)
    inner = replace(spec, in_bands=texture.planes, options={**own, "classes": True})
    return TexturedPixels(texture, cast("PerSpectrum", classifier(inner)))
