"""Bands by the product that they belong to: the same name means other light on another satellite.

``B05`` is red edge in Sentinel-2 and near infrared in the Landsat half of HLS, ``B10`` is cirrus in
one and thermal infrared in the other. A name alone is therefore not believed where the file's name
or tags say that another mission made it; a wrong wavelength is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from georaster_dl.core.bands import SENTINEL2, Band

__all__ = ["band_of_file", "band_of_mission", "mission_of"]

_SENTINEL2 = {band.name: band for band in SENTINEL2}
# Landsat 8 and 9, OLI and TIRS: centres and widths in nanometres (USGS, spectral characteristics).
_OLI = {
    "B1": (443.0, 16.0),
    "B2": (482.0, 60.0),
    "B3": (561.4, 57.3),
    "B4": (654.6, 37.5),
    "B5": (864.7, 28.3),
    "B6": (1608.9, 84.7),
    "B7": (2200.7, 186.7),
    "B8": (589.5, 172.4),
    "B9": (1373.4, 20.4),
    "B10": (10895.0, 590.0),
    "B11": (12005.0, 1010.0),
}
# Landsat 4 to 7, TM and ETM+, which differ by less than the tolerance of matching.
_TM = {
    "B1": (485.0, 70.0),
    "B2": (560.0, 80.0),
    "B3": (660.0, 60.0),
    "B4": (835.0, 130.0),
    "B5": (1650.0, 200.0),
    "B6": (11450.0, 2100.0),
    "B7": (2215.0, 270.0),
    "B8": (710.0, 380.0),
}
_TABLES = {"landsat-oli": _OLI, "landsat-tm": _TM}

# The first that is found in a text decides; "other" has bands of such names, but no table here.
_MARKS = (
    ("landsat-oli", r"HLS\.?L30|(?<![A-Z0-9])L[COT]0?[89](?![0-9])|LANDSAT[-_ ]?[89]"),
    ("landsat-tm", r"(?<![A-Z0-9])L[TEM]0?[4-7](?![0-9])|LANDSAT[-_ ]?[4-7]"),
    ("sentinel-2", r"HLS\.?S30|(?<![A-Z0-9])S2[A-D]?(?![A-Z0-9])|SENTINEL[-_ ]?2"),
    (
        "other",
        r"(?<![A-Z0-9])(AST_L|ASTER|MOD\d\d|MYD\d\d|MCD\d\d|VNP\d\d|VJ1\d\d|CBERS|S1[AB]_|S3[AB]_|S5P_|"
        r"PRS_L|GF\d_|ENMAP|EMIT_|EO1|PROBA|SPOT\d|RESOURCESAT|LISS|OR_ABI)|LANDSAT",
    ),
)
_BAND_FILE = re.compile(r"(?:^|[_./-])(B\d{1,2}|B8A)(?:_\d+m)?\.\w+$", re.IGNORECASE)


def mission_of(text: str) -> str | None:
    """Find the mission that a file name, tag or identifier speaks of.

    Returns
    -------
    ``sentinel-2``, ``landsat-oli`` (8, 9, HLS L30), ``landsat-tm`` (4 to 7), ``other``, or None
    where the text speaks of none.
    """
    for mission, marks in _MARKS:
        if re.search(marks, text.upper()):
            return mission
    return None


def band_of_mission(name: str, mission: str | None) -> Band | None:
    """Give the band that a mission calls by this name, with its wavelength; None where it has none.

    A mission that is not known (None) is taken for Sentinel-2, but only at its exact spelling
    (``B02``, not ``B2``). Of another mission a band that is called like one of Sentinel-2's is
    renamed, because names match bands to a model's.
    """
    if mission in (None, "sentinel-2"):
        return _SENTINEL2.get(name)
    table: Mapping[str, tuple[float, float]] = _TABLES.get(mission or "", {})
    plain = re.sub(r"^(SR|ST|TOA)_", "", name.upper())
    facts = table.get(re.sub(r"^B0(\d)$", r"B\1", plain))
    if facts is not None:
        return Band(name, *facts)
    return Band(f"{name} (not Sentinel-2's)") if name in _SENTINEL2 else None


def band_of_file(path: str) -> Band | None:
    """Give the band that a file of one band is named after (``..._B8A_20m.jp2``), else None."""
    name = PurePosixPath(path.replace("\\", "/")).name
    found = _BAND_FILE.search(name)
    return None if found is None else band_of_mission(found[1], mission_of(name))
