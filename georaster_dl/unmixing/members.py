"""Members: the pure spectra that pixels are mixed of, with names, on the bands of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.wording import counted
from georaster_dl.spectra.table.axis import header_of
from georaster_dl.spectra.table.write import write_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from georaster_dl.unmixing.number import ErrorCurve

__all__ = ["Members", "check_count", "draw_members", "write_members"]

_Floats = npt.NDArray[np.float64]

_MOST = 64  # targets of a card
_INCHES = 8.0, 4.2
_CURVE_INCHES = 4.2
_DOTS = 120  # an inch
_LEGEND = 12  # members that are named


@dataclass(frozen=True, eq=False)
class Members:
    """Members of a scene.

    Attributes
    ----------
    names : of each.
    bands : of the scene, in its order.
    spectra : (members, bands) in the unit of the scene.
    source : where they come from, as a phrase.
    places : row and column of each in the scene, from 0; empty where they are not of it.
    """

    names: tuple[str, ...]
    bands: tuple[Band, ...]
    spectra: _Floats = field(repr=False)
    source: str
    places: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.names)


def check_count(k: int, bands: int, *, shade: bool, scene: str, of_library: bool = False) -> None:
    """Refuse a number of members that no map or no least squares can have.

    Raises
    ------
    OptionError
        When it is below 2, above what a model's card holds, or more than the bands tell apart.
    """
    if k < 2:
        raise OptionError(
            f"`k=` is {k}, but a mixture is of 2 members or more; give such a number, or auto."
        )
    cure = (
        "take the means of classes with `class_field=`, or give fewer spectra"
        if of_library
        else "give fewer with `k=`"
    )
    if k > _MOST:
        raise OptionError(
            f"{counted(k, 'member')} are more than the {_MOST} bands that a map of fractions has; {cure}."
        )
    most = bands if shade else bands + 1
    if k > most:
        black = ", of which black is one with `shade=True`" if shade else ""
        raise OptionError(
            f"{counted(k, 'member')} are more than {counted(bands, 'band')} of {scene} can tell apart: least squares with a sum "
            f"of 1 has one solution for {bands + 1} members at most{black}; {cure}, or a scene of more bands."
        )


def write_members(members: Members, path: Path, geobox: Georeference) -> None:
    """Write members as a table that ``geodl spectra`` reads: a row each, with its name, a column a band.

    Pixels of the scene also have their row and column, from 0, and, where the scene has a transform, the coordinates of their centre.
    Bands are in the order of their wavelengths; where one has none, columns are named after the bands.
    """
    import pandas as pd

    order, headers = _axis(members.bands)
    frame = pd.DataFrame(members.spectra[:, order], columns=headers)
    if members.places:
        rows, cols = np.array(members.places).T
        values = {"row": rows, "col": cols}
        if isinstance(geobox, GeoBox):
            values["x"], values["y"] = geobox.transform * (cols + 0.5, rows + 0.5)
        frame = pd.concat([pd.DataFrame(values), frame], axis=1)
    frame.insert(0, "name", members.names)
    write_csv(frame, path)


def _axis(bands: Sequence[Band]) -> tuple[list[int], list[str]]:
    lengths = [band.wavelength_nm for band in bands]
    if any(length is None for length in lengths):
        return list(range(len(bands))), [band.name for band in bands]
    order = sorted(range(len(bands)), key=lambda i: lengths[i] or 0.0)
    return order, [header_of(bands[i].wavelength_nm or 0.0, bands[i].fwhm_nm) for i in order]


def draw_members(members: Members, path: Path, unit: str, curve: ErrorCurve | None = None) -> None:
    """Draw members over wavelength as PNG, and beside them the error against their number where it was searched."""
    _figure(members, unit, curve).savefig(path, format="png")


def _figure(members: Members, unit: str, curve: ErrorCurve | None) -> Figure:
    from matplotlib.figure import Figure

    from georaster_dl.core.legend import color_hex
    from georaster_dl.render.palette import choose_colors

    wide, high = _INCHES
    figure = Figure((wide + (_CURVE_INCHES if curve else 0), high), dpi=_DOTS, layout="constrained")
    panels = figure.subplots(
        1, 2 if curve else 1, squeeze=False, width_ratios=[wide, _CURVE_INCHES] if curve else None
    )[0]
    order, _ = _axis(members.bands)
    lengths = [members.bands[i].wavelength_nm for i in order]
    known = None not in lengths
    x = np.array(lengths if known else np.arange(1, len(order) + 1), np.float64)
    spectra = members.spectra[:, order]
    if known:  # bands that were left out are a gap, not a straight line
        gaps = np.flatnonzero(np.diff(x) > 5 * np.median(np.diff(x))) + 1
        x, spectra = np.insert(x, gaps, np.nan), np.insert(spectra, gaps, np.nan, axis=1)
    for name, spectrum, color in zip(
        members.names, spectra, choose_colors(members.names), strict=True
    ):
        marker = "o" if len(order) <= 16 else None
        label = name.replace("$", r"\$")
        panels[0].plot(
            x, spectrum, color=color_hex(color), linewidth=1.4, marker=marker, label=label
        )
    panels[0].set_xlabel("wavelength (nm)" if known else "band")
    panels[0].set_ylabel(unit)
    panels[0].margins(x=0.01)
    lines = panels[0].get_lines()[:_LEGEND]
    title = f"the first {_LEGEND} of {len(members)} members" if len(members) > _LEGEND else None
    panels[0].legend(handles=lines, title=title, title_fontsize=8, fontsize=8, frameon=False)
    if curve is not None:
        curve.draw(panels[1])
    return figure
