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
from datetime import date
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from georaster_dl.core.bands import SENTINEL2, Band
from georaster_dl.core.errors import SceneError

__all__ = ["Product", "is_product", "read_product", "sensing_date"]

_BAND_FILE = re.compile(r"_(B\d{2}|B8A)(?:_(\d+)m)?\.jp2$")
# Since 2016, and the longer names of before, whose products held up to a dozen tiles.
_METADATA = re.compile(r"(^|/)(MTD_MSIL(1C|2A)|S2\w_(OPER|USER)_MTD_(SAF|MSI)L(1C|2A)_\w+)\.xml$")
_MOST_XML_BYTES = 32 * 2**20
_SCL_FILE = re.compile(r"_SCL_(\d+)m\.jp2$")
_TILE = re.compile(r"_T(\d{2}[A-Z]{3})_")
_ORDER = {band.name: i for i, band in enumerate(SENTINEL2)}
# GSD of L1C bands in metres; L2A file names say theirs.
_NATIVE = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B01": 60, "B09": 60, "B10": 60}


# Level, and the tag of its quantification value: L2A's since Sen2Cor 2.8, those of 2016 to 2018, L1C's.
_QUANTIFICATIONS = (
    ("L2A", "BOA_QUANTIFICATION_VALUE"),
    ("L2A", "L2A_BOA_QUANTIFICATION_VALUE"),
    ("L1C", "QUANTIFICATION_VALUE"),
)


@dataclass(frozen=True)
class Product:
    """Band files of one product.

    Attributes
    ----------
    files : GDAL path of the finest file of each band, in band order.
    bands : the bands with the product's own wavelengths.
    scale, offsets : reflectance = DN * scale + offset, one offset per band.
    note : level, baseline and tile in words.
    classification : GDAL path of the finest scene classification (SCL), None where there is none.
    """

    files: tuple[str, ...]
    bands: tuple[Band, ...]
    scale: float
    offsets: tuple[float, ...]
    note: str
    classification: str | None = None


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
    listing, xml = _contents(path)
    images = [name for name in listing if "IMG_DATA" in PurePosixPath(name).parts]
    _check_one_tile(images, path)
    files = _finest(images)
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
        classification=min(
            (name for name in listing if _SCL_FILE.search(name)),
            key=lambda name: int(_SCL_FILE.search(name)[1]),  # type: ignore[index]
            default=None,
        ),
    )


def sensing_date(path: Path) -> date | None:
    """Day on which a product was sensed, by its metadata; None where the path is no product.

    Raises
    ------
    SceneError
        When the metadata cannot be read.
    """
    if not path.exists() or not is_product(path):
        return None
    product = path.parent if _METADATA.search(path.name) else path
    return _Facts(_contents(product)[1], product).sensed


def _contents(path: Path) -> tuple[list[str], bytes]:
    """List the images of a product, and read its metadata."""
    try:
        return _from_folder(path) if path.is_dir() else _from_zip(path)
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise SceneError(
            f"The product {path} cannot be read ({error}); download it again."
        ) from error


def _check_one_tile(images: Iterable[str], path: Path) -> None:
    tiles = sorted({found[1] for name in images if (found := _TILE.search(name)) is not None})
    if len(tiles) > 1:
        raise SceneError(
            f"{path} holds {len(tiles)} tiles ({', '.join(tiles)}), as products before December 2016 do, and "
            f"a scene is one of them; give the band files of one (GRANULE/*T{tiles[0]}*/IMG_DATA/*.jp2) with "
            f"`scale=0.0001, offset=0`."
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
        if found is None or found[1] not in _ORDER:
            continue
        gsd = int(found[2]) if found[2] else _NATIVE.get(found[1], 20)
        if found[1] not in best or gsd < best[found[1]][0]:
            best[found[1]] = (gsd, file)
    return {name: file for name, (_, file) in best.items()}


class _Facts:
    """Metadata of the product's XML. Namespaces differ between baselines, so tags match by name."""

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
        level, tag = next(
            (facts for facts in _QUANTIFICATIONS if self._text(facts[1]) is not None), ("", "")
        )
        self.quantification = self._number(self._text(tag) or "") if tag else 0.0
        if self.quantification <= 0:
            raise SceneError(
                f"The metadata of {path} states no quantification value above 0, so its numbers have no unit; "
                f"download the product's metadata file ({path.name}/MTD_MSIL*.xml) again."
            )
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

    @property
    def sensed(self) -> date | None:
        """Day on which sensing began, None where the metadata does not say."""
        stated = self._text("PRODUCT_START_TIME") or self._text("DATATAKE_SENSING_START") or ""
        try:
            return date.fromisoformat(stated[:10])
        except ValueError:
            return None

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
