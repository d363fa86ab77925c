"""Spectral indices by name: NDVI, EVI, NDWI and others, computed from the bands that a sensor has.

Bands are found by name or wavelength, so an index means the same of Sentinel-2, Landsat and others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import MOST_NAMED, SENTINEL2, Band, find_band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed

__all__ = ["INDICES", "Index", "find_index", "index_inputs", "missing_inputs"]

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Index:
    """A spectral index.

    Attributes
    ----------
    name : as it is written.
    inputs : bands that it is computed of, by colour.
    formula : of their physical values, in the order of ``inputs``.
    reflectance : whether it has constants that are of reflectances from 0 to 1.
    source : publication.
    """

    name: str
    inputs: tuple[str, ...]
    formula: Callable[..., Any]
    reflectance: bool
    source: str

    @property
    def band(self) -> Band:
        """The index as a band."""
        return Band(self.name)

    def compute(self, *inputs: Values) -> Values:
        """Compute the index of arrays of one shape; NaN where it is not defined."""
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.asarray(self.formula(*inputs), np.float32)
        values[~np.isfinite(values)] = np.nan
        return values


def _difference(a: Any, b: Any) -> Any:
    return (a - b) / (a + b)


def _evi(nir: Any, red: Any, blue: Any) -> Any:
    return 2.5 * (nir - red) / (nir + 6.0 * red - 7.5 * blue + 1.0)


def _evi2(nir: Any, red: Any) -> Any:
    return 2.5 * (nir - red) / (nir + 2.4 * red + 1.0)


def _savi(nir: Any, red: Any) -> Any:
    return 1.5 * (nir - red) / (nir + red + 0.5)


def _bsi(swir1: Any, red: Any, nir: Any, blue: Any) -> Any:
    return ((swir1 + red) - (nir + blue)) / ((swir1 + red) + (nir + blue))


INDICES: dict[str, Index] = {
    index.name: index
    for index in (
        Index("NDVI", ("nir", "red"), _difference, False, "Rouse et al. 1974"),
        Index("GNDVI", ("nir", "green"), _difference, False, "Gitelson et al. 1996"),
        Index("NDRE", ("nir", "rededge"), _difference, False, "Gitelson and Merzlyak 1994"),
        Index("EVI", ("nir", "red", "blue"), _evi, True, "Huete et al. 2002"),
        Index("EVI2", ("nir", "red"), _evi2, True, "Jiang et al. 2008"),
        Index("SAVI", ("nir", "red"), _savi, True, "Huete 1988"),
        Index("NDWI", ("green", "nir"), _difference, False, "McFeeters 1996"),
        Index("MNDWI", ("green", "swir1"), _difference, False, "Xu 2006"),
        Index("NDMI", ("nir", "swir1"), _difference, False, "Gao 1996"),
        Index("NBR", ("nir", "swir2"), _difference, False, "Key and Benson 2006"),
        Index("NDBI", ("swir1", "nir"), _difference, False, "Zha et al. 2003"),
        Index("BSI", ("swir1", "red", "nir", "blue"), _bsi, False, "Rikimaru et al. 2002"),
    )
}
"""Every index that is known, by its name."""

_SENTINEL2 = {band.name: band for band in SENTINEL2}
# Sentinel-2's band of each colour, by whose wavelength that of another sensor is found, and other names of it.
_COLORS = {
    "blue": (_SENTINEL2["B02"], ("blue",)),
    "green": (_SENTINEL2["B03"], ("green",)),
    "red": (_SENTINEL2["B04"], ("red",)),
    "rededge": (_SENTINEL2["B05"], ("rededge", "rededge1", "red edge")),
    "nir": (_SENTINEL2["B08"], ("nir", "nir08", "B8A")),
    "swir1": (_SENTINEL2["B11"], ("swir1", "swir16")),
    "swir2": (_SENTINEL2["B12"], ("swir2", "swir22")),
}
# Broad bands of other missions lie further away: MODIS has blue at 469 and near infrared at 858 nm.
_TOLERANCE_NM, _TOLERANCE_INFRARED_NM = 30.0, 60.0


def find_index(name: str) -> Index:
    """Find an index by its name, in either case.

    Raises
    ------
    OptionError
        When there is none of this name.
    """
    found = INDICES.get(name.upper())
    if found is None:
        raise OptionError(
            f"`indices=` names {name}, which is no known index; those are {listed(INDICES, len(INDICES))}."
        )
    return found


def index_inputs(index: Index, bands: Sequence[Band]) -> tuple[int, ...] | None:
    """Find the inputs of an index among bands; None where a band is missing."""
    places = [_place(color, bands) for color in index.inputs]
    found = tuple(place for place in places if place is not None)
    return found if len(found) == len(places) and len(set(found)) == len(found) else None


def missing_inputs(index: Index, bands: Sequence[Band]) -> str:
    """Describe an index' inputs, and the bands there are, for a message."""
    wanted = ", ".join(f"{color} ({_COLORS[color][0]})" for color in index.inputs)
    return f"{index.name} is computed of {wanted}, but the bands are {listed(bands, MOST_NAMED)}"


def _place(color: str, bands: Sequence[Band]) -> int | None:
    """Place of the band of a colour: by name, else by the nearest wavelength."""
    typical, names = _COLORS[color]
    place = find_band(typical, bands)
    if place is not None:
        return place
    for i, band in enumerate(bands):
        if band.name.casefold() in {name.casefold() for name in names}:
            return i
    gaps = [
        (abs(band.wavelength_nm - (typical.wavelength_nm or 0.0)), i)
        for i, band in enumerate(bands)
        if band.wavelength_nm is not None
    ]
    gap, nearest = min(gaps, default=(np.inf, -1))
    infrared = color in ("nir", "swir1", "swir2")
    limit = _TOLERANCE_INFRARED_NM if infrared else _TOLERANCE_NM
    return nearest if gap <= limit else None
