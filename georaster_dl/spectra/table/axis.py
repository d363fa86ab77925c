"""Wavelengths of a table's columns, read from its header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed

__all__ = [
    "FEWEST_BANDS",
    "UNITS",
    "Axis",
    "Unit",
    "axis_number",
    "find_axis",
    "header_of",
    "is_band",
    "names_axis",
    "runs_down",
    "unit_in",
]

Unit = Literal["nm", "um", "cm-1"]
UNITS: tuple[Unit, ...] = ("nm", "um", "cm-1")

FEWEST_BANDS = 8

_PREFIXES = (
    r"wavelength|wavenumber|lambda|wave|wav|wvl|wl|wn|reflectance|refl|absorbance|abs|transmittance|"
    r"log ?\(?1/[rt]\)?|spec|spc|nm|x|v|r|w|λ"
)
_NAMES_AXIS = re.compile(
    r"^(wave|wellen|longueur|wvl?\b|wav\b|wl\b|wn\b|lambda|λ|nm\b|[µμ]m\b|cm-1)", re.IGNORECASE
)
_IN_WORDS: dict[Unit, str] = {
    "um": "micrometres (um), as all are below 100",
    "nm": "nanometres (nm), as all lie between 350 and 2600",
    "cm-1": "wavenumbers (cm-1), as all lie between 3500 and 12500",
}
_SPELLINGS: dict[str, Unit] = {
    "nm": "nm",
    "um": "um",
    "µm": "um",  # the micro sign
    "μm": "um",  # the Greek letter
    "cm-1": "cm-1",
    "cm^-1": "cm-1",
    "cm⁻¹": "cm-1",
    "1/cm": "cm-1",
}
_UNIT = f"({'|'.join(re.escape(unit) for unit in _SPELLINGS)})"
_HEADER = re.compile(
    rf"(?:{_PREFIXES})?[ ._-]*[(\[]?\s*(\d+(?:[.,]\d+)?(?:e[+-]?\d+)?)[\s_]*[(\[]?{_UNIT}?\s*[)\]]?",
    re.IGNORECASE,
)
_FWHM = re.compile(r"\s*[(\[]?\s*FWHM\s*(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*[)\]]?$", re.IGNORECASE)
_AFTER_NAME = re.compile(rf"(?<![a-z]){_UNIT}(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Axis:
    """Which columns are the spectrum.

    Attributes
    ----------
    columns : (bands,) positions of the columns, by increasing wavelength.
    wavelengths_nm : (bands,) of these.
    repairs : what was guessed or turned round, a sentence each.
    fwhm_nm : (bands,) widths, None unless all headers state them (``450 nm (FWHM 10)``).
    """

    columns: npt.NDArray[np.intp]
    wavelengths_nm: npt.NDArray[np.float64] = field(repr=False)
    repairs: tuple[str, ...]
    fwhm_nm: npt.NDArray[np.float64] | None = field(default=None, repr=False)


def find_axis(headers: Sequence[str], unit: Unit | None, *, title: str) -> Axis:
    """Find the columns whose header is a number, with or without a unit.

    Parameters
    ----------
    headers : of all columns.
    unit : of the numbers, where the user states it; else the headers' own, else by the values.
    title : what a message calls the table.

    Raises
    ------
    OptionError
        When there are fewer than 8, they repeat or go up and down other than detectors that overlap, or their unit cannot be told.
    """
    numbered = [(i, *read) for i, text in enumerate(headers) if (read := _read(text)) is not None]
    if len(numbered) < FEWEST_BANDS:
        named = listed([headers[i] for i, _, _ in numbered])
        raise OptionError(
            f"{title} has {counted(len(numbered), 'column')} of a spectrum{named and f' ({named})'} among "
            f"{len(headers)}, but at least {FEWEST_BANDS} are needed; their headers must be "
            f"wavelengths or wavenumbers, such as 1100 or '1100.5 nm'."
        )
    columns = np.array([i for i, _, _ in numbered])
    values = np.array([value for _, value, _ in numbered])
    names = [headers[i] for i in columns]
    # First, because numbers in several units seem to go up and down.
    stated = unit or _stated({own for _, _, own in numbered}, names, title)
    repairs = []
    runs = _overlapping_runs(values)
    if runs:
        order = np.argsort(values)
        values, columns = values[order], columns[order]
        breaks = " and ".join(f"{a[-1]:g} then {b[0]:g}" for a, b in pairwise(runs))
        repairs.append(
            f"{title}: the axis has the bands of {len(runs)} detectors whose ranges overlap ({breaks}); they were "
            f"sorted by wavelength."
        )
    else:
        _check_order(values, names, title)
    known = stated or _guessed(values, title)
    if not stated:
        repairs.append(
            f"{title}: the axis names no unit; its numbers {values.min():g} to {values.max():g} are taken for "
            f"{_IN_WORDS[known]}."
        )
    wavelengths = _nanometres(values, known)
    if wavelengths[0] > wavelengths[-1]:
        wavelengths, columns = wavelengths[::-1], columns[::-1]
        repairs.append(f"{title}: the axis ran down in wavelength and was turned round.")
    widths = _widths([headers[i] for i in columns], wavelengths, known)
    return Axis(columns, wavelengths, tuple(repairs), widths)


def header_of(wavelength_nm: float, fwhm_nm: float | None = None) -> str:
    """Write the header of a band, from which ``find_axis`` reads the same numbers: ``450 nm (FWHM 10)``."""
    header = f"{_digits(wavelength_nm)} nm"
    return header if fwhm_nm is None else f"{header} (FWHM {_digits(fwhm_nm)})"


def _digits(number: float) -> str:
    return np.format_float_positional(number, trim="-")


def is_band(header: str) -> bool:
    """Whether a header is a wavelength or wavenumber, so that its column is of the spectrum."""
    return _read(header) is not None


def axis_number(header: str) -> float | None:
    """Wavelength or wavenumber that a header is, None where it is none."""
    found = _read(header)
    return None if found is None else found[0]


def names_axis(header: str) -> bool:
    """Whether a header says that its column holds wavelengths or wavenumbers."""
    return _NAMES_AXIS.search(header) is not None


def unit_in(header: str) -> str:
    """Read the unit in the header of a column of wavelengths, nm of 'Wavelength (nm)'; empty without one."""
    found = _AFTER_NAME.search(header)
    return found[1] if found else ""


def runs_down(header: str, values: npt.NDArray[np.float64], *, named: bool) -> bool:
    """Whether a column holds the wavelengths, so that the table is transposed.

    Parameters
    ----------
    header : of the column.
    values : (rows,) numbers of it, NaN for what is none.
    named : whether the header must say so; otherwise the numbers alone may.
    """
    known = values[np.isfinite(values)]
    steps = np.sign(np.diff(known))
    if len(known) < max(FEWEST_BANDS, len(values) / 2) or abs(steps.sum()) < len(steps):
        return False
    if names_axis(header):
        return True
    try:
        return not named and bool(_guessed(known, header))
    except OptionError:
        return False


def _read(header: str) -> tuple[float, Unit | None] | None:
    """Number and unit of a header, None where it is the name of something else."""
    match = _HEADER.fullmatch(_FWHM.sub("", header.strip()))
    if match is None:
        return None
    unit = match[2] and _SPELLINGS[match[2].casefold().replace("μ", "µ")]
    return float(match[1].replace(",", ".")), unit or None


def _check_order(values: npt.NDArray[np.float64], names: list[str], title: str) -> None:
    steps = np.diff(values)
    up = np.median(np.sign(steps)) >= 0
    wrong = np.flatnonzero(steps <= 0 if up else steps >= 0)
    if not wrong.size:
        return
    once, counts = np.unique(values, return_counts=True)
    if counts.max() > 1:
        twice = [
            name for name, value in zip(names, values, strict=True) if value in once[counts > 1]
        ]
        problem = f"repeats columns ({listed(twice)})"
    else:
        pairs = [f"{names[i]} then {names[i + 1]}" for i in wrong]
        problem = f"goes up and down ({listed(pairs)})"
    raise OptionError(
        f"The axis of {title} {problem}, but wavelengths must rise or fall all along; delete or rename "
        f"columns that are not of the spectrum, and check that the first line is the header."
    )


def _overlapping_runs(values: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Rising runs of a header with the bands of two or three detectors in file order; else none.

    Each begins in the upper half of the one before, as detectors overlap by their ends.
    """
    runs = np.split(values, np.flatnonzero(np.diff(values) < 0) + 1)
    sound = len(runs) in (2, 3) and len(np.unique(values)) == len(values)
    if not sound or min(map(len, runs)) < FEWEST_BANDS:
        return []
    overlap = [(a[0] + a[-1]) / 2 < b[0] < a[-1] < b[-1] for a, b in pairwise(runs)]
    return runs if all(overlap) else []


def _stated(units: set[Unit | None], names: list[str], title: str) -> Unit | None:
    known = sorted(unit for unit in units if unit is not None)
    if len(known) > 1:
        of_each = [next(n for n in names if (_read(n) or (0, None))[1] == unit) for unit in known]
        raise OptionError(
            f"The axis of {title} mixes the units {' and '.join(known)} (columns "
            f"{', '.join(of_each)}); give all columns one unit."
        )
    return known[0] if known else None


def _guessed(values: npt.NDArray[np.float64], title: str) -> Unit:
    low, high = values.min(), values.max()
    counted = np.array_equal(np.sort(values), np.arange(len(values)) + low) and low <= 1
    if high < 100 and not counted:
        return "um"
    if low >= 350 and high <= 2600:
        return "nm"
    if low >= 3500 and high <= 12_500:
        return "cm-1"
    problem = "are counted, not measured" if counted else "fit no usual range"
    raise OptionError(
        f"The unit of the axis of {title} cannot be told: its numbers {low:g} to {high:g} {problem}; "
        f"state the unit ({', '.join(UNITS)}), and put wavelengths or wavenumbers into the header."
    )


def _nanometres(values: npt.NDArray[np.float64], unit: Unit) -> npt.NDArray[np.float64]:
    if unit == "cm-1":
        return 1e7 / np.maximum(values, np.finfo(float).tiny)
    return values * 1000 if unit == "um" else values


def _widths(
    headers: Sequence[str], wavelengths_nm: npt.NDArray[np.float64], unit: Unit
) -> npt.NDArray[np.float64] | None:
    """(bands,) full widths at half maximum in nm, which headers state in the unit of the axis."""
    found = [match for header in headers if (match := _FWHM.search(header)) is not None]
    if len(found) < len(headers):
        return None
    widths = np.array([float(match[1]) for match in found])
    if unit == "cm-1":
        return widths * wavelengths_nm**2 / 1e7
    return widths * 1000 if unit == "um" else widths
