"""Radiative transfer in leaves and canopies, in torch: batched, differentiable, without weights."""

from georaster_dl.models.radiative_transfer.canopy import CANOPY_TRAITS, canopy
from georaster_dl.models.radiative_transfer.leaf_angles import bimodal, ellipsoidal
from georaster_dl.models.radiative_transfer.prospect import Leaf, Prospect, prospect
from georaster_dl.models.radiative_transfer.sail import CanopyReflectance, sail
from georaster_dl.models.radiative_transfer.sensor import Responses, flat_responses
from georaster_dl.models.radiative_transfer.soil import SOIL_TRAITS, bare_soil
from georaster_dl.models.radiative_transfer.traits import LEAF_TRAITS, Trait

__all__ = [
    "CANOPY_TRAITS",
    "LEAF_TRAITS",
    "SOIL_TRAITS",
    "CanopyReflectance",
    "Leaf",
    "Prospect",
    "Responses",
    "Trait",
    "bare_soil",
    "bimodal",
    "canopy",
    "ellipsoidal",
    "flat_responses",
    "prospect",
    "sail",
]
