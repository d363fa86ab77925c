"""Modalities of bands: the kinds of sensors and surveys that they come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from georaster_dl.core.bands import Band
from georaster_dl.core.text import visible

__all__ = ["MODALITIES", "known_modality", "modality_places", "with_modality"]

MODALITIES = ("optical", "radar", "lidar", "terrain")
"""Modalities that names and wavelengths tell; files may state others."""

_COLORS = frozenset(
    (
        *("coastal", "blue", "green", "red", "rededge", "nir", "swir"),
        *("pan", "panchromatic", "thermal", "ndvi", "ndwi", "evi"),
    )
)
_POLARISATIONS = frozenset(("vv", "vh", "hh", "hv"))
_SURVEYED = frozenset(
    (
        *("dsm", "dtm", "ndsm", "chm", "intensity", "return_ratio", "multi_share", "density"),
        *("roughness", "above_2m"),
    )
)
_TERRAIN = frozenset(("elevation", "dem", "slope", "aspect", "hillshade"))
_LONGEST = 64


def known_modality(band: Band) -> str:
    """Find the modality of a band by its wavelength or its name; empty where it is unknown."""
    if band.wavelength_nm is not None:
        return "optical"
    name = "_".join(words := re.findall(r"[a-z0-9]+", band.name.casefold()))
    if _POLARISATIONS.intersection(words):
        return "radar"
    if name in _SURVEYED:
        return "lidar"
    if name in _TERRAIN:
        return "terrain"
    color = name.replace("_", "")
    return "optical" if color in _COLORS or color.rstrip("0123456789") in _COLORS else ""


def modality_places(modalities: Sequence[str]) -> dict[str, list[int]]:
    """Group bands by modality.

    Parameters
    ----------
    modalities : of each band.

    Returns
    -------
    Indices of the bands of each modality, in the order in which these come first.
    """
    places: dict[str, list[int]] = {}
    for index, modality in enumerate(modalities):
        places.setdefault(modality, []).append(index)
    return places


def with_modality(band: Band, otherwise: str = "") -> Band:
    """Return the band with its stated modality, else that of its wavelength or name, else another.

    Parameters
    ----------
    otherwise : modality where nothing tells it; cut to the length that a card holds.
    """
    told = band.modality or known_modality(band) or visible(otherwise)
    return replace(band, modality=told[:_LONGEST])
