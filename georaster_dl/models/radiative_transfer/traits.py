"""The traits of leaves and canopies: names, units and the bounds within which they are sought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LEAF_TRAITS", "Trait", "span"]


@dataclass(frozen=True)
class Trait:
    """Variable of a radiative transfer model.

    Attributes
    ----------
    name : as the models call it.
    low, high : bounds within which simulations draw it and inversions seek it.
    unit : "" for ratios.
    title : in words.
    """

    name: str
    low: float
    high: float
    unit: str
    title: str


LEAF_TRAITS: dict[str, Trait] = {
    trait.name: trait
    for trait in (
        Trait("n", 1.0, 3.0, "", "leaf structure (number of plates)"),
        Trait("cab", 0.0, 100.0, "ug/cm2", "chlorophyll a and b"),
        Trait("car", 0.0, 30.0, "ug/cm2", "carotenoids"),
        Trait("ant", 0.0, 40.0, "ug/cm2", "anthocyanins"),
        Trait("brown", 0.0, 1.0, "", "brown pigments"),
        Trait("cw", 0.001, 0.06, "g/cm2", "leaf water (equivalent water thickness)"),
        Trait("cm", 0.001, 0.03, "g/cm2", "dry matter (leaf mass per area)"),
        Trait("prot", 0.0001, 0.003, "g/cm2", "proteins"),
        Trait("cbc", 0.0005, 0.03, "g/cm2", "carbon-based constituents"),
    )
}
"""Traits of PROSPECT: dry matter is either ``cm`` (PROSPECT-D) or ``prot`` and ``cbc`` (PROSPECT-PRO)."""


def span(values: Tensor) -> str:
    """Write the least and the largest of values, once where they are the same."""
    low, high = values.min().item(), values.max().item()
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
