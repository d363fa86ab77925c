"""Band names, wavelengths and calibration from the metadata of a raster file.

Sources, in order: band descriptions, GDAL's ``IMAGERY`` domain, band tags (``wavelength``,
``fwhm``, ``bbl``, as EnMAP and ENVI files carry them, and ``modality``), the ``ENVI`` domain, the dimension of a NetCDF
variable, the file's name, colour interpretation.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import rasterio.shutil

from georaster_dl.core.bands import SENTINEL2, Band
from georaster_dl.io.formats.missions import band_of_file, band_of_mission, mission_of

__all__ = ["acquisition_date", "bands_of", "calibration_of", "in_nanometres", "with_wavelengths"]

_SENTINEL2_NAMES = {band.name for band in SENTINEL2}
# Nanometres in one unit of what wavelengths are stated in. Names without the plural's s.
_UNITS = {
    **dict.fromkeys(("nanometer", "nanometre", "nm"), 1.0),
    **dict.fromkeys(("micrometer", "micrometre", "micron", "um", "µm", "μm"), 1e3),
    **dict.fromkeys(("millimeter", "millimetre", "mm"), 1e6),
    **dict.fromkeys(("meter", "metre", "m"), 1e9),
    **dict.fromkeys(("angstrom", "ångström", "å", "a"), 0.1),
}
_NO_LENGTHS = {"index", "wavenumber", "cm-1", "cm^-1", "1/cm", "ghz", "mhz", "thz", "ev"}
_LIGHT_NM = (100.0, 100_000.0)  # nothing optical is centred outside of it
_SOLAR_NM = (200.0, 3000.0)  # numbers that are nanometres without saying so
_COLORS = ("red", "green", "blue", "alpha")
_WAVELENGTH_AXES = ("wavelength", "wavelengths", "lambda", "wl", "band_wavelength")
_ACQUISITION_TAGS = (
    *("sensing_time", "sensing_date", "acquisition_time", "acquisition_date", "date_acquired"),
    *("acquisitiondate", "start_time", "product_start_time", "time_coverage_start", "datetime"),
)
_LONGEST_MODALITY, _LONGEST_UNIT = 64, 32  # characters that a card holds
_MISSION_TAGS = ("spacecraft", "sensor", "platform", "mission", "product", "instrument")


@dataclass(frozen=True)
class _Texts:
    """Decoded band metadata of a file.

    Attributes
    ----------
    descriptions : of each band, empty where there is none.
    tags : of each band, by name in lower case.
    """

    descriptions: tuple[str, ...]
    tags: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class _Stated:
    """Spectral metadata of a band; None where the file has none."""

    centre: float | None
    width: float | None
    unit: str
    good: bool


def bands_of(dataset: Any) -> tuple[Band, ...]:
    """Describe each band of an open rasterio dataset, alpha bands included."""
    texts = _texts(dataset)
    bands = _measured(dataset, texts, _named(dataset, texts.descriptions))
    mission = _mission(dataset)
    if mission is None and not _SENTINEL2_NAMES.issuperset(band.name for band in bands):
        return bands  # B04 beside a band of another sensor is not Sentinel-2's
    known = [band_of_mission(band.name, mission) for band in bands]
    # Where the file states a wavelength too, it is kept.
    return tuple(
        band
        if full is None or band.wavelength_nm is not None
        else replace(full, good=band.good, modality=band.modality, unit=band.unit)
        for full, band in zip(known, bands, strict=True)
    )


def _mission(dataset: Any) -> str | None:
    """The mission that the file's tags speak of, else its name."""
    tags = dataset.tags()
    stated = [f"{k} {v}" for k, v in tags.items() if any(t in k.lower() for t in _MISSION_TAGS)]
    return mission_of(" ".join(stated)) or mission_of(Path(str(dataset.name)).name)


def _texts(dataset: Any) -> _Texts:
    """Names and tags of the bands, also of files in another encoding than UTF-8."""
    try:
        names = tuple(text or "" for text in dataset.descriptions)
    except UnicodeDecodeError:
        return _recoded(dataset)
    return _Texts(names, tuple(_lower(dataset.tags(i)) for i in range(1, dataset.count + 1)))


def _recoded(dataset: Any) -> _Texts:
    """Read them from a VRT of the dataset, in which GDAL repeats them byte for byte."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.vrt"
        rasterio.shutil.copy(dataset, path, driver="VRT")
        # Nothing names the encoding; Western Windows' knows nearly every byte.
        text = path.read_bytes().decode("cp1252", "replace")
    found = ET.fromstring(text.encode()).findall("VRTRasterBand")
    tags = [
        {i.get("key", ""): i.text or "" for i in band.findall("Metadata/MDI")} for band in found
    ]
    names = tuple(band.findtext("Description") or "" for band in found)
    return _Texts(names, tuple(map(_lower, tags)))


def _lower(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in tags.items()}


def _named(dataset: Any, descriptions: Sequence[str]) -> list[Band]:
    """Bands by the names that the file gives them, else by the file's own, else by their colours."""
    single = band_of_file(str(dataset.name)) if dataset.count == 1 else None
    # GDAL writes the wavelength, and the unit where there is one, behind the names of ENVI bands.
    unit = "?" if dataset.driver == "ENVI" else ""
    written = rf"(?<=.) \([\d.]+( [^\s)]+){unit}\)$"
    bands = []
    for index, (text, color) in enumerate(zip(descriptions, dataset.colorinterp, strict=True), 1):
        name = re.sub(written, "", text).strip()
        color_name = color.name if color.name in _COLORS else f"band_{index}"
        bands.append(Band(name) if name else single or Band(color_name))
    return bands


def _measured(dataset: Any, texts: _Texts, bands: Sequence[Band]) -> tuple[Band, ...]:
    """The bands with the wavelengths, widths and verdicts that the file states."""
    envi = {key: _listed(value) for key, value in dataset.tags(ns="ENVI").items()}
    axis_units = _lower(dataset.tags())
    stated = [
        _stated(tags, _lower(dataset.tags(index, ns="IMAGERY")), envi, axis_units, index)
        for index, tags in enumerate(texts.tags, 1)
    ]
    factors = {
        unit: _factor([s.centre for s in stated if s.unit == unit and s.centre is not None], unit)
        for unit in {s.unit for s in stated}
    }
    return tuple(
        replace(
            band,
            good=facts.good,
            wavelength_nm=_times(facts.centre, factors[facts.unit]) or band.wavelength_nm,
            fwhm_nm=_times(facts.width, factors[facts.unit]) or band.fwhm_nm,
            modality=tags.get("modality", "").strip()[:_LONGEST_MODALITY],
            unit=(unit or "").strip()[:_LONGEST_UNIT],
        )
        for band, facts, tags, unit in zip(bands, stated, texts.tags, dataset.units, strict=True)
    )


def _stated(
    tags: Mapping[str, str],
    imagery: Mapping[str, str],
    envi: Mapping[str, list[str]],
    axis_units: Mapping[str, str],
    index: int,
) -> _Stated:
    def fact(key: str) -> float | None:
        values = envi.get(key, [])
        return _number(tags.get(key) or (values[index - 1] if len(values) >= index else None))

    good = fact("bbl") != 0.0
    unit = tags.get("wavelength_units") or " ".join(envi.get("wavelength_units", []))
    if fact("wavelength") is not None:
        return _Stated(fact("wavelength"), fact("fwhm"), unit, good)
    for axis in _WAVELENGTH_AXES:  # of a NetCDF variable
        value = _number(tags.get(f"netcdf_dim_{axis}"))
        if value is not None:
            return _Stated(value, None, axis_units.get(f"{axis}#units", ""), good)
    centre, width = (_number(imagery.get(key)) for key in ("central_wavelength_um", "fwhm_um"))
    return _Stated(centre, width, "um", good)


def _times(value: float | None, factor: float | None) -> float | None:
    return None if value is None or factor is None or value <= 0 else value * factor


def acquisition_date(dataset: Any) -> date | None:
    """Day on which an image was taken, by GDAL's ``IMAGERY`` domain or the file's tags; None where these do not say.

    ``TIFFTAG_DATETIME`` is when the file was written, and does not count.
    """
    imagery = _lower(dataset.tags(ns="IMAGERY")).get("acquisitiondatetime")
    tags = _lower(dataset.tags())
    for text in (imagery, *(tags.get(key) for key in _ACQUISITION_TAGS)):
        try:
            return date.fromisoformat((text or "").strip()[:10])
        except ValueError:
            continue
    return None


def with_wavelengths(
    bands: Sequence[Band], values: Sequence[float], unit: str = ""
) -> tuple[Band, ...]:
    """Give bands that state no wavelength those of a list; both have one length.

    Where no unit is stated, the values tell it (see ``_factor``).
    """
    factor = _factor(values, unit)
    return tuple(
        band
        if band.wavelength_nm is not None
        else replace(band, wavelength_nm=_times(value, factor))
        for band, value in zip(bands, values, strict=True)
    )


def in_nanometres(values: Sequence[float], unit: str = "") -> tuple[float, ...] | None:
    """Convert wavelengths to nm by the unit or, without one, by the values; None if neither is clear."""
    factor = _factor(values, unit)
    return None if factor is None else tuple(value * factor for value in values)


def calibration_of(dataset: Any, index: int) -> tuple[float, float, bool]:
    """Scale, offset, and whether they (or a floating type) make the numbers physical values.

    A scale of 0, or one that is not finite, leaves nothing of the numbers: the file is taken to
    state none.
    """
    scale, offset = float(dataset.scales[index - 1]), float(dataset.offsets[index - 1])
    factor = _number(dataset.tags(ns="ENVI").get("reflectance_scale_factor"))
    if factor and np.isfinite(factor) and (scale, offset) == (1.0, 0.0):
        scale = 1.0 / factor  # ENVI's factor is a divisor
    if scale == 0 or not (np.isfinite(scale) and np.isfinite(offset)):
        return 1.0, 0.0, False
    physical = (scale, offset) != (1.0, 0.0) or np.dtype(dataset.dtypes[index - 1]).kind == "f"
    return scale, offset, physical


def _factor(values: Sequence[float], unit: str) -> float | None:
    """Nanometres in one unit of these wavelengths, None where that cannot be known.

    The unit is believed where it puts them between 100 nm and 100 um. Headers are wrong about it
    often enough that else, and where none is stated, the values decide, but only as far as nothing
    else can be meant: 4000 without a unit may be nanometres, angstroms or wavenumbers.
    """
    centres = [value for value in values if value > 0]
    if not centres or _plain(unit) in _NO_LENGTHS:
        return None
    low, high = min(centres), max(centres)
    stated = _UNITS.get(_plain(unit))
    if stated is not None and _LIGHT_NM[0] <= low * stated and high * stated <= _LIGHT_NM[1]:
        return stated
    if high < _LIGHT_NM[0]:
        return 1e3
    return 1.0 if low >= _SOLAR_NM[0] and high <= _SOLAR_NM[1] else None


def _plain(unit: str) -> str:
    text = unit.strip().casefold()
    return text[:-1] if text.endswith("s") and len(text) > 2 else text


def _listed(value: str) -> list[str]:
    return [item.strip() for item in value.strip().strip("{}").split(",")]


def _number(text: str | None) -> float | None:
    try:
        value = math.nan if text is None else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
