"""Sentinel-2 products as they are delivered: .SAFE folders and zips, whole or partial, L1C or L2A.

The band files are found by listing the product, not through its manifest, so a product with
files missing works with what it has. Scale and offset follow the product's own metadata:
reflectance = (DN + ADD_OFFSET) / QUANTIFICATION_VALUE, with ADD_OFFSET -1000 since processing
baseline 04.00 and absent before. Pre-2022 scenes reprocessed later carry the offset too, which is
why the metadata decides and never the sensing date.
"""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from georaster_dl.bands import SENTINEL2, Band
from georaster_dl.errors import SceneError

__all__ = ["Product", "is_product", "read_product"]

_BAND_FILE = re.compile(r"_(B\d{2}|B8A)(?:_(\d+)m)?\.jp2$")
_METADATA = re.compile(r"(^|/)MTD_MSIL(1C|2A)\.xml$")
_MOST_XML_BYTES = 32 * 2**20
_ORDER = {band.name: i for i, band in enumerate(SENTINEL2)}
# GSD of L1C bands in metres; L2A file names say theirs.
_NATIVE = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B01": 60, "B09": 60, "B10": 60}


@dataclass(frozen=True)
class Product:
    """Band files of one product.

    Attributes
    ----------
    files : GDAL path of the finest file of each band, in band order.
    bands : the bands with the product's own wavelengths.
    scale, offsets : reflectance = DN * scale + offset, one offset per band.
    note : level, baseline and tile in words.
    """

    files: tuple[str, ...]
    bands: tuple[Band, ...]
    scale: float
    offsets: tuple[float, ...]
    note: str


def is_product(path: Path) -> bool:
    """Whether this is a .SAFE folder, its metadata file, or a zip that holds one."""
    if path.is_dir():
        return any(_METADATA.search(p.name) for p in path.iterdir())
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(_METADATA.search(name) for name in archive.namelist())
    return bool(_METADATA.search(path.name)) and path.is_file()


def read_product(path: Path) -> Product:
    """Band files, wavelengths and calibration of a Sentinel-2 product.

    Raises
    ------
    SceneError
        When the product has no band files or its metadata cannot be read.
    """
    if _METADATA.search(path.name):
        path = path.parent
    try:
        listing, xml = _from_folder(path) if path.is_dir() else _from_zip(path)
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise SceneError(
            f"The product {path} cannot be read ({error}); download it again."
        ) from error
    files = _finest(listing)
    if not files:
        raise SceneError(
            f"{path} is a Sentinel-2 product without a single band file (IMG_DATA/**/*_Bxx*.jp2); "
            f"download its image files too."
        )
    facts = _Facts(xml, path)
    names = sorted(files, key=_ORDER.__getitem__)
    return Product(
        files=tuple(files[name] for name in names),
        bands=tuple(facts.band(name) for name in names),
        scale=1.0 / facts.quantification,
        offsets=tuple(facts.add_offset(name) / facts.quantification for name in names),
        note=facts.note,
    )


def _from_folder(folder: Path) -> tuple[list[str], bytes]:
    metadata = next(p for p in folder.iterdir() if _METADATA.search(p.name))
    with metadata.open("rb") as file:
        xml = file.read(_MOST_XML_BYTES + 1)
    return [p.as_posix() for p in sorted(folder.rglob("*.jp2"))], xml


def _from_zip(path: Path) -> tuple[list[str], bytes]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(archive.namelist())
        prefix = f"/vsizip/{path.resolve().as_posix()}/"
        with archive.open(next(name for name in names if _METADATA.search(name))) as file:
            xml = file.read(_MOST_XML_BYTES + 1)  # it may unpack to any size
        return [prefix + name for name in names], xml


def _finest(listing: Iterable[str]) -> dict[str, str]:
    """File of each band at the smallest ground sampling distance that the product holds."""
    best: dict[str, tuple[int, str]] = {}
    for file in listing:
        found = _BAND_FILE.search(file)
        if found is None or "IMG_DATA" not in PurePosixPath(file).parts or found[1] not in _ORDER:
            continue
        gsd = int(found[2]) if found[2] else _NATIVE.get(found[1], 20)
        if found[1] not in best or gsd < best[found[1]][0]:
            best[found[1]] = (gsd, file)
    return {name: file for name, (_, file) in best.items()}


class _Facts:
    """What the product's XML says. Namespaces differ between baselines, so tags match by name."""

    def __init__(self, xml: bytes, path: Path) -> None:
        self._path = path
        if len(xml) > _MOST_XML_BYTES or b"<!DOCTYPE" in xml:
            raise SceneError(
                f"The metadata file MTD_MSIL*.xml of {path} is none of Sentinel-2 (it has more than "
                f"{_MOST_XML_BYTES >> 20} MiB, or declares entities); download the product again."
            )
        try:
            self._root = ET.fromstring(xml)
        except ET.ParseError as error:
            raise self._damaged(error) from error
        quantification = self._text("BOA_QUANTIFICATION_VALUE") or self._text(
            "QUANTIFICATION_VALUE"
        )
        if quantification is None:
            raise SceneError(
                f"The metadata of {path} states no quantification value, so its numbers have no unit; "
                f"download the product's MTD_MSIL*.xml again."
            )
        self.quantification = self._number(quantification)
        if self.quantification == 0:
            raise self._damaged("the quantification value is 0")
        level = "L2A" if self._text("BOA_QUANTIFICATION_VALUE") else "L1C"
        baseline = self._text("PROCESSING_BASELINE") or "unknown"
        self.note = f"Sentinel-2 {level}, processing baseline {baseline}"
        # bandId -> name, through the list of spectral bands (physicalBand is 'B1', 'B8A', ...)
        self._spectra = {
            _padded(e.get("physicalBand", "")): e for e in self._root.iter("Spectral_Information")
        }
        self._offsets = {
            e.get("band_id"): self._number(e.text or "0")
            for tag in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")
            for e in self._root.iter(tag)
        }

    def _damaged(self, reason: object) -> SceneError:
        return SceneError(
            f"The metadata file MTD_MSIL*.xml of {self._path} is damaged ({reason}); download it again."
        )

    def _number(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError as error:
            raise self._damaged(error) from error
        if not math.isfinite(number):
            raise self._damaged(f"it states the number {text}")
        return number

    def _text(self, tag: str) -> str | None:
        return next((e.text for e in self._root.iter(tag)), None)

    def band(self, name: str) -> Band:
        """The band with the wavelength that this satellite's metadata states."""
        known = SENTINEL2[_ORDER[name]]
        spectrum = self._spectra.get(name)
        centre = None if spectrum is None else spectrum.findtext("Wavelength/CENTRAL")
        return known if centre is None else Band(name, self._number(centre), known.fwhm_nm)

    def add_offset(self, name: str) -> float:
        """Number to add to the band's DN, 0 before baseline 04.00."""
        spectrum = self._spectra.get(name)
        band_id = str(_ORDER[name]) if spectrum is None else spectrum.get("bandId")
        return self._offsets.get(band_id, 0.0)


def _padded(name: str) -> str:
    return re.sub(r"^B(\d)$", r"B0\1", name)
