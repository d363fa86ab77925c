"""Wavelengths of a scene's bands from a text file, for rasters that do not state them."""

from __future__ import annotations

import re
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.io.files.text_file import read_text
from georaster_dl.io.formats.metadata import in_nanometres

__all__ = ["read_wavelengths"]

_UNIT = re.compile(
    r"(?<![a-z])(nanomet(?:er|re)|nm|micromet(?:er|re)|micron|[uµμ]m)s?(?![a-z])", re.IGNORECASE
)
_CUT = re.compile(r"[\s,;]+")


def read_wavelengths(path: Path) -> tuple[float, ...]:
    """Read the centres of bands, in nm, from a text with one number for each band in file order.

    The numbers stand one in a line, or in one line between commas, semicolons or blanks. A unit may be named in a line above them or behind
    each; without one, numbers below 100 are micrometres, and numbers from 200 to 3000 nanometres.

    Raises
    ------
    OptionError
        When the file is absent, holds anything else, or its unit cannot be told.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeError) as error:
        raise OptionError(
            f"The wavelengths in {path} cannot be read ({error}); give a text file with one number a band."
        ) from error
    lines = [line for line in text.splitlines() if line.strip()]
    heading = lines[0] if lines and not re.match(r"\s*\d", lines[0]) else ""
    units = {found.casefold() for found in _UNIT.findall(text)}
    rows = [_UNIT.sub("", line).strip(" \t,;") for line in lines[bool(heading) :]]
    if len(rows) > 1:  # one number in each, so a comma is its decimal sign
        rows = [row.replace(",", ".") for row in rows]
    cells = [cell for row in rows for cell in _CUT.split(row) if cell]
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        wrong = next(cell for cell in cells if not _is_number(cell))
        raise OptionError(
            f"{path} holds {wrong[:30]!r} among its wavelengths; give one number a band, and the unit (nm, um) in the "
            f"first line."
        ) from None
    lengths = in_nanometres(values, next(iter(units)) if len(units) == 1 else "")
    if lengths is None or min(values) <= 0:
        between = f", from {min(values):g} to {max(values):g}" if values else ""
        raise OptionError(
            f"{path} holds {counted(len(values), 'number')}{between}, which are not clearly wavelengths; give nanometres or "
            f"micrometres, and name the unit (nm, um) in the first line."
        )
    return lengths


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
