"""Radiative transfer in leaves and canopies, in torch: batched, differentiable, without weights."""

from georaster_dl.models.radiative_transfer.leaf_angles import bimodal, ellipsoidal
from georaster_dl.models.radiative_transfer.prospect import Leaf, Prospect, prospect
from georaster_dl.models.radiative_transfer.sail import CanopyReflectance, sail
from georaster_dl.models.radiative_transfer.traits import LEAF_TRAITS, Trait

__all__ = [
    "LEAF_TRAITS",
    "CanopyReflectance",
    "Leaf",
    "Prospect",
    "Trait",
    "bimodal",
    "ellipsoidal",
    "prospect",
    "sail",
]
