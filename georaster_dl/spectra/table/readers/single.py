"""Spectra that come one in a file, or a few, each with its axis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.io.files.text_file import read_text
from georaster_dl.spectra.table.readers.grid import Grid

__all__ = ["Spectrum", "of_spectra", "read_points"]

_POINT = re.compile(r"(\S+?)(?:\s*;\s*|\s+)(\S+)|([^,;\s]+)\s*,\s*([^,;\s]+)")
_SAME = 1e-3  # of a step of the axis


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A spectrum with its axis.

    Attributes
    ----------
    name : of the file.
    axis, values : (bands,) wavelengths or wavenumbers, and what was measured.
    unit : of the axis, nm, um or cm-1; empty where the file does not say.
    title : that the file gives it, None where the kind of file has none.
    """

    name: str
    axis: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    unit: str = ""
    title: str | None = None


def of_spectra(spectra: Sequence[Spectrum], path: Path, *, comma: bool = False) -> Grid:
    """Make a table of spectra on one axis, with columns for name, title and each band.

    Raises
    ------
    OptionError
        When axes differ.
    """
    first = spectra[0]
    step = np.abs(np.diff(first.axis)).min(initial=np.inf)
    for other in spectra[1:]:
        if (other.axis.shape, other.unit) != (first.axis.shape, first.unit) or (
            np.abs(other.axis - first.axis).max() > _SAME * step
        ):
            raise OptionError(
                f"{path} holds spectra on several axes ({first.title or first.name!r} and "
                f"{other.title or other.name!r} differ); give each axis a file of its own."
            )
    frame = pd.DataFrame(np.stack([each.values for each in spectra]))
    headers = [f"{x:.10g} {first.unit}".strip() for x in first.axis]
    for column in ("title", "name") if first.title is not None else ("name",):
        frame.insert(0, column, [getattr(each, column) for each in spectra])
        headers = [column, *headers]
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return Grid(headers, frame, comma=comma)


def read_points(path: Path) -> Grid:
    """Read an OPUS data point table (.dpt): two columns of text without a header, one spectrum.

    Columns are cut at blanks, tabs or semicolons, with decimal points or commas, or at commas.

    Raises
    ------
    OptionError
        When a line is not two numbers.
    """
    points, comma = [], False
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        match = _POINT.fullmatch(line.strip())
        pair = [part for part in match.groups() if part is not None] if match else []
        try:
            points.append([float(part.replace(",", ".")) for part in pair or line])
        except ValueError:
            raise OptionError(
                f"Line {number} of {path} is {line.strip()[:40]!r}, but every line of a data point table is a "
                f"wavenumber and a value; export the spectrum again, without a header."
            ) from None
        comma |= any("," in part for part in pair)
    if not points:
        raise OptionError(f"{path} is empty; export the spectrum again.")
    axis, values = np.array(points).T
    return of_spectra([Spectrum(path.stem, axis, values)], path, comma=comma)
