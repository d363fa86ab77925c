"""Registrations of the methods of chemometrics, under the names by which they are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from georaster_dl.models.options import checked_options
from georaster_dl.models.registry import NetworkSpec, register_model

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []


@register_model(options={}, fitted=True)
def pls(spec: NetworkSpec) -> nn.Module:
    """Partial least squares; of classes, PLS-DA."""
    from georaster_dl.models.zoo.chemometrics.pls import PLS

    checked_options(spec)
    return PLS(spec.in_bands, spec.n_classes)
