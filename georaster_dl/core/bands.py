"""Bands of rasters and sensors, and the matching of a list of bands to another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from georaster_dl.core.errors import BandMismatchError
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted, listed

__all__ = [
    "MOST_NAMED",
    "SENTINEL2",
    "Band",
    "find_band",
    "listed_bands",
    "match_bands",
    "named_bands",
    "wavelength_tolerance_nm",
]

MOST_NAMED = 16
"""Bands that a message names one by one; sensors with more of them are imaging spectrometers."""
_MOST_WRONG = 5
_NAMES_OF_BANDS = (
    "If the file's names are missing or wrong, name its bands in file order with `bands=`."
)


@dataclass(frozen=True)
class Band:
    """One plane of a raster.

    Two bands are equal by name, wavelength, width and quality: what describes their values further tells none apart.

    Parameters
    ----------
    name : short identifier as the sensor's users write it, for example ``"B8A"``.
    wavelength_nm : centre wavelength in nanometres, None where unknown.
    fwhm_nm : full width at half maximum in nanometres, None where unknown.
    good : False for a band that the file's own bad-band list excludes.
    modality : kind of sensor or survey that it comes from, such as ``"radar"``; empty where nothing tells.
    unit : of its values, as the file states it, such as ``"dB"`` or ``"m"``; empty where it does not.
    gsd_m : ground sampling distance of its own file in metres, None where unknown.
    """

    name: str
    wavelength_nm: float | None = None
    fwhm_nm: float | None = None
    good: bool = True
    modality: str = field(default="", kw_only=True, compare=False)
    unit: str = field(default="", kw_only=True, compare=False)
    gsd_m: float | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        """Make the texts, which any file may state, single lines of visible text."""
        for each in ("name", "modality", "unit"):
            object.__setattr__(self, each, visible(getattr(self, each)))

    def __str__(self) -> str:
        """Name, with the wavelength where it is known: ``B04 (665 nm)``."""
        return (
            self.name
            if self.wavelength_nm is None
            else f"{self.name} ({self.wavelength_nm:.0f} nm)"
        )


# Sentinel-2A MSI centre wavelengths and widths; S2B and S2C differ by up to 18 nm in the SWIR,
# which is why matching has a tolerance and is never by equality.
SENTINEL2: tuple[Band, ...] = (
    Band("B01", 442.7, 20.0),
    Band("B02", 492.4, 65.0),
    Band("B03", 559.8, 35.0),
    Band("B04", 664.6, 30.0),
    Band("B05", 704.1, 14.0),
    Band("B06", 740.5, 14.0),
    Band("B07", 782.8, 19.0),
    Band("B08", 832.8, 105.0),
    Band("B8A", 864.7, 21.0),
    Band("B09", 945.1, 19.0),
    Band("B10", 1373.5, 29.0),
    Band("B11", 1613.7, 90.0),
    Band("B12", 2202.4, 174.0),
)
_SENTINEL2 = {band.name: band for band in SENTINEL2}


def named_bands(names: Iterable[str]) -> tuple[Band, ...]:
    """Bands of these names; names written as Sentinel-2's (``B8A``) get its wavelengths.

    Only the exact spelling of a Sentinel-2 band counts (``B02``, not ``B2``): Landsat's ``B2``
    is another band, and a wrong wavelength is worse than none.
    """
    return tuple(_SENTINEL2.get(name, Band(name)) for name in names)


def wavelength_tolerance_nm(wavelength_nm: float) -> float:
    """How far two centre wavelengths may differ and still mean the same band, in nanometres."""
    return 15.0 if wavelength_nm < 1000.0 else 25.0


def _near(a: Band, b: Band) -> bool:
    if a.wavelength_nm is None or b.wavelength_nm is None:
        return False
    return abs(a.wavelength_nm - b.wavelength_nm) <= wavelength_tolerance_nm(a.wavelength_nm)


def find_band(wanted: Band, present: Sequence[Band]) -> int | None:
    """Index of the band that is ``wanted``, by the rule of ``match_bands``; None where there is none."""
    for index, band in enumerate(present):
        unknown = wanted.wavelength_nm is None or band.wavelength_nm is None
        # "B5" is not taken for "B05": Landsat's is near infrared, Sentinel-2's is red edge.
        if band.name.casefold() == wanted.name.casefold() and (unknown or _near(wanted, band)):
            return index
    near = [i for i, band in enumerate(present) if band.good and _near(wanted, band)]
    if not near:
        return None
    return min(near, key=lambda i: abs(present[i].wavelength_nm - wanted.wavelength_nm))  # type: ignore[operator]


def match_bands(
    wanted: Sequence[Band], present: Sequence[Band], *, cure: str = _NAMES_OF_BANDS
) -> list[int]:
    """Where in ``present`` each band of ``wanted`` is.

    A band matches by name (unless both wavelengths are known and contradict the name), else by
    the nearest centre wavelength within 15 nm below 1000 nm and 25 nm above.

    Parameters
    ----------
    cure : what a message says is to be done.

    Returns
    -------
    Index into ``present`` for each band of ``wanted``, in the order of ``wanted``.

    Raises
    ------
    BandMismatchError
        When a band is missing or one band would serve twice; the message lists both sides.
    """
    found = [find_band(band, present) for band in wanted]
    missing = [band for band, index in zip(wanted, found, strict=True) if index is None]
    indices = [index for index in found if index is not None]
    shared = sorted({str(present[i]) for i in indices if indices.count(i) > 1})
    if not missing and not shared:
        return indices
    problem = (
        f"misses {listed(missing, _MOST_WRONG)}"
        if missing
        else f"has one band only for several of the model's ({listed(shared, _MOST_WRONG)})"
    )
    raise BandMismatchError(
        f"The scene {problem}. It has {listed_bands(present)}; the model needs {listed_bands(wanted)}. {cure}"
    )


def listed_bands(bands: Sequence[Band]) -> str:
    """How many bands, and which; of an imaging spectrometer's hundreds, from where to where they go."""
    count = counted(len(bands), "band")
    lengths = [band.wavelength_nm for band in bands if band.wavelength_nm is not None]
    if len(bands) > MOST_NAMED and len(lengths) == len(bands):
        return f"{count} from {min(lengths):.0f} to {max(lengths):.0f} nm"
    return f"{count}: {listed(bands, MOST_NAMED)}"
