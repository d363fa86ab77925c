"""ENVI spectral libraries: a flat file of numbers and a text header; GDAL refuses them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.io.files.text_file import read_text

__all__ = ["read_library"]

_ENTRY = re.compile(r"^[ \t]*([^=\n;{}]+?)[ \t]*=[ \t]*(\{[^}]*\}|[^\n]*)", re.MULTILINE)
_TYPES = {"1": "u1", "2": "i2", "3": "i4", "4": "f4", "5": "f8", "12": "u2", "13": "u4"}
_UNITS = {"micrometers": "um", "microns": "um", "nanometers": "nm", "wavenumber": "cm-1"}


def read_library(path: Path) -> tuple[list[str], list[str], npt.NDArray[np.float64]]:
    """Read a library by the path of either of its files.

    Returns
    -------
    Header of each band (its wavelength, with unit and FWHM where the file states them), name of each
    spectrum, and (spectra, bands) values; NaN for the file's data ignore value.

    Raises
    ------
    OptionError
        When one of the two files is missing, the header is none of a library, or sizes disagree.
    """
    header, data = _pair(path)
    entries = _entries(header)
    try:
        n, bands = int(entries["lines"]), int(entries["samples"])
        kind = np.dtype(
            ("<", ">")[int(entries.get("byte order", "0"))] + _TYPES[entries["data type"]]
        )
        offset = int(entries.get("header offset", "0"))
        factor = float(entries.get("reflectance scale factor", "1"))
        ignored = float(entries.get("data ignore value", "nan"))
        wavelengths = _listed(entries["wavelength"])
    except (KeyError, ValueError, IndexError) as error:
        raise OptionError(
            f"{header} is no header of an ENVI spectral library that can be read ({error}); it needs "
            f"samples, lines, data type and wavelength."
        ) from error
    names = _listed(entries.get("spectra names", "")) or [str(i) for i in range(1, n + 1)]
    needed = offset + n * bands * kind.itemsize
    if (len(wavelengths), len(names)) != (bands, n) or data.stat().st_size < needed:
        raise OptionError(
            f"{header} states {counted(n, 'spectrum')} of {counted(bands, 'band')}, but lists {counted(len(names), 'name')} and "
            f"{counted(len(wavelengths), 'wavelength')}, and {data.name} has {data.stat().st_size} bytes of "
            f"{needed}; write the library again."
        )
    values = np.fromfile(data, kind, n * bands, offset=offset).reshape(n, bands).astype(np.float64)
    values[values == ignored] = np.nan
    unit = _UNITS.get(entries.get("wavelength units", "").casefold(), "")
    headers = [f"{text} {unit}".strip() for text in wavelengths]
    widths = _listed(entries.get("fwhm", ""))
    if len(widths) == bands:
        headers = [f"{h} (FWHM {w})" for h, w in zip(headers, widths, strict=True)]
    return headers, names, values / (factor or 1)


def _pair(path: Path) -> tuple[Path, Path]:
    """Header and data file."""
    headers = [path.with_suffix(".hdr"), path.with_name(path.name + ".hdr")]
    header = (
        path if path.suffix.lower() == ".hdr" else next(filter(Path.exists, headers), headers[0])
    )
    data = header.with_suffix(".sli") if path == header else path
    for file in (header, data):
        if not file.is_file():
            raise OptionError(
                f"The spectral library {path} needs {file}, which does not exist; keep the .sli and the "
                f".hdr of a library side by side."
            )
    return header, data


def _entries(header: Path) -> dict[str, str]:
    text = read_text(header)
    entries = {key.casefold(): value.strip() for key, value in _ENTRY.findall(text)}
    if not text.startswith("ENVI") or "library" not in entries.get("file type", "").casefold():
        raise OptionError(
            f"{header} is no header of an ENVI spectral library; its first line is ENVI and its file "
            f"type 'ENVI Spectral Library'."
        )
    return entries


def _listed(value: str) -> list[str]:
    items = value.strip().strip("{}").split(",")
    return [" ".join(item.split()) for item in items if item.strip()]
