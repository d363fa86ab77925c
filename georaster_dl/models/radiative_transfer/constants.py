"""Optical constants of leaves: refractive index and specific absorption, 400 to 2500 nm."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from georaster_dl.core.errors import OptionError

__all__ = ["ABSORBERS", "LeafConstants", "average_transmissivity", "leaf_constants"]

ABSORBERS = ("cab", "car", "ant", "brown", "cw", "cm", "prot", "cbc")
"""Absorbing traits, in the order of the constants."""

_FIRST_NM, _LAST_NM = 400.0, 2500.0
_NODES = 100


@dataclass(frozen=True)
class LeafConstants:
    """Constants at given wavelengths, float64.

    Attributes
    ----------
    index : (bands,), refractive index.
    absorption : (8, bands), specific absorption of :data:`ABSORBERS`, in the reciprocals of their units.
    t40, t90 : (bands,), transmissivity of a leaf's surface for light within 40 degrees of its normal and
        from all directions.
    """

    index: np.ndarray
    absorption: np.ndarray
    t40: np.ndarray
    t90: np.ndarray


def leaf_constants(wavelengths_nm: Sequence[float] | np.ndarray) -> LeafConstants:
    """Return the constants of PROSPECT-D and PROSPECT-PRO, interpolated linearly at wavelengths.

    Source: Feret et al. 2017 and 2021, as published with the R package prospect (MIT).

    Raises
    ------
    OptionError
        When a wavelength lies outside 400 to 2500 nm.
    """
    wanted = np.asarray(wavelengths_nm, np.float64)
    inside = (wanted >= _FIRST_NM) & (wanted <= _LAST_NM)
    if wanted.ndim != 1 or not wanted.size or not inside.all():
        found = f"{wanted.min():g} to {wanted.max():g} nm" if wanted.size else "none"
        raise OptionError(
            f"The optical constants of leaves reach from 400 to 2500 nm, but the wavelengths are {found}; "
            f"leave out the bands beyond, or convert the wavelengths to nm."
        )
    table = _table()
    index, *absorption = (np.interp(wanted, table[0], column) for column in table[1:])
    return LeafConstants(
        index,
        np.stack(absorption),
        average_transmissivity(40.0, index),
        average_transmissivity(90.0, index),
    )


def average_transmissivity(degrees: float, index: np.ndarray) -> np.ndarray:
    """Average the transmissivity of a plane surface over all directions within an angle of its normal.

    Fresnel's law of unpolarised light over a solid angle (Stern 1964, Allen 1973), by Gauss-Legendre
    quadrature of 100 nodes.

    Parameters
    ----------
    degrees : half-angle of the cone, more than 0, at most 90.
    index : refractive index relative to that of the medium from which light comes.
    """
    largest = np.radians(degrees)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    angle = (nodes + 1) * largest / 2
    cosine = np.cos(angle)
    n = np.asarray(index, np.float64)[..., None]
    refracted = np.sqrt(n**2 - np.sin(angle) ** 2)
    perpendicular = 4 * cosine * refracted / (cosine + refracted) ** 2
    parallel = 4 * n**2 * cosine * refracted / (n**2 * cosine + refracted) ** 2
    both = (perpendicular + parallel) / 2 * np.sin(2 * angle)
    return np.asarray(both @ weights * largest / 2 / np.sin(largest) ** 2)


@functools.cache
def _table() -> np.ndarray:
    """(10, 2101): wavelength in nm, refractive index, absorption of :data:`ABSORBERS`."""
    source = files("georaster_dl.models.radiative_transfer") / "prospect.tsv.gz"
    with source.open("rb") as packed, gzip.open(packed, "rt") as text:
        table = np.loadtxt(text, skiprows=1).T
    table.setflags(write=False)
    return table
