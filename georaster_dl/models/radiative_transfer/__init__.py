"""Radiative transfer in leaves and canopies, in torch: batched, differentiable, without weights."""

from georaster_dl.models.radiative_transfer.prospect import Leaf, Prospect, prospect
from georaster_dl.models.radiative_transfer.traits import LEAF_TRAITS, Trait

__all__ = ["LEAF_TRAITS", "Leaf", "Prospect", "Trait", "prospect"]
