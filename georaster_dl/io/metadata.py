"""Band names, wavelengths and calibration from the metadata of a raster file.

Sources, in order: band descriptions, GDAL's ``IMAGERY`` domain, band tags (``wavelength``,
``fwhm``, ``bbl``, as EnMAP and ENVI files carry them), the ``ENVI`` domain, colour interpretation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from georaster_dl.bands import SENTINEL2, Band, named_bands

__all__ = ["bands_of", "calibration_of", "sentinel2_name"]

_SENTINEL2_NAMES = {band.name for band in SENTINEL2}


def bands_of(dataset: Any) -> tuple[Band, ...]:
    """What each band of an open rasterio dataset is, alpha bands included."""
    envi = {key: _listed(value) for key, value in dataset.tags(ns="ENVI").items()}
    bands = [_band(dataset, i, envi) for i in range(1, dataset.count + 1)]
    names = [band.name for band in bands]
    if _SENTINEL2_NAMES.issuperset(names):
        # The names are Sentinel-2's; where the file states a wavelength too, it is kept.
        known = named_bands(names)
        return tuple(
            full if band.wavelength_nm is None else band
            for full, band in zip(known, bands, strict=True)
        )
    return tuple(bands)


def _band(dataset: Any, index: int, envi: Mapping[str, list[str]]) -> Band:
    tags = {key.lower(): value for key, value in dataset.tags(index).items()}
    imagery = {key.lower(): value for key, value in dataset.tags(index, ns="IMAGERY").items()}
    unit = tags.get("wavelength_units") or " ".join(envi.get("wavelength_units", []))

    def fact(key: str) -> float | None:
        values = envi.get(key, [])
        text = tags.get(key) or (values[index - 1] if len(values) >= index else None)
        return _number(text)

    centre = _nanometres(fact("wavelength"), unit)
    fwhm = fact("fwhm")
    if centre is not None and fwhm is not None and _is_micrometres(fact("wavelength")):
        fwhm *= 1000.0
    micrometres = _number(imagery.get("central_wavelength_um"))
    if centre is None and micrometres is not None:
        centre = micrometres * 1000.0
        width = _number(imagery.get("fwhm_um"))
        fwhm = None if width is None else width * 1000.0
    return Band(_name(dataset, index), centre, fwhm, good=fact("bbl") != 0.0)


def _name(dataset: Any, index: int) -> str:
    description = dataset.descriptions[index - 1]
    if description:
        # GDAL writes the wavelength into the names of ENVI bands that have none of their own.
        return re.sub(r"(?<=.) \([\d.]+ \w+\)$", "", str(description))
    single = sentinel2_name(dataset.name) if dataset.count == 1 else None
    color = dataset.colorinterp[index - 1].name
    return single or (color if color in ("red", "green", "blue", "alpha") else f"band_{index}")


def sentinel2_name(path: str) -> str | None:
    """Sentinel-2 band that a file name ends in (``..._B8A_20m.jp2``), None where it names none."""
    found = re.search(r"(?:^|[_./-])(B\d{2}|B8A)(?:_\d+m)?\.\w+$", path)
    return found[1] if found and found[1] in _SENTINEL2_NAMES else None


def calibration_of(dataset: Any, index: int) -> tuple[float, float, bool]:
    """Scale, offset, and whether they (or a floating type) make the numbers physical values."""
    scale, offset = float(dataset.scales[index - 1]), float(dataset.offsets[index - 1])
    factor = _number(dataset.tags(ns="ENVI").get("reflectance_scale_factor"))
    if factor and (scale, offset) == (1.0, 0.0):
        scale = 1.0 / factor  # ENVI's factor is a divisor
    physical = (scale, offset) != (1.0, 0.0) or np.dtype(dataset.dtypes[index - 1]).kind == "f"
    return scale, offset, physical


def _listed(value: str) -> list[str]:
    return [item.strip() for item in value.strip().strip("{}").split(",")]


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _is_micrometres(value: float | None) -> bool:
    # Headers are wrong about the unit often enough that the value decides: nothing optical is
    # centred below 100 nm or above 100 um.
    return value is not None and value < 100.0


def _nanometres(value: float | None, unit: str) -> float | None:
    if value is None or value <= 0 or unit.lower() in ("index", "wavenumber"):
        return None
    return value * 1000.0 if _is_micrometres(value) else value
