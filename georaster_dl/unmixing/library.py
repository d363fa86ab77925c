"""Members from a table of spectra, brought to the bands of a scene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band, listed_bands
from georaster_dl.core.errors import BandMismatchError, OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.spectra.table.cells import is_text
from georaster_dl.spectra.table.resample import resampled
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.table.unit_check import size_ratio
from georaster_dl.unmixing.members import Members

__all__ = ["bands_within", "check_size", "library_members"]

_Floats = npt.NDArray[np.float64]

_NARROW_NM = 30.0  # neighbours of an imaging spectrometer are nearer, and touch
_SAME_NM = 0.1
_FINER = 0.5  # of the width of the scene's bands


def bands_within(table: SpectraTable, bands: Sequence[Band], scene: str) -> list[int]:
    """Find the bands of a scene within the wavelengths of a table.

    Raises
    ------
    BandMismatchError
        When a band has no wavelength, or fewer than two lie within.
    """
    unknown = [band.name for band in bands if band.wavelength_nm is None]
    if unknown:
        raise BandMismatchError(
            f"Members of {table.name} are brought to the scene's bands by their wavelengths, but {scene} states none of "
            f"{listed(unknown)}; give a file of them with `wavelengths=`."
        )
    low, high = table.wavelengths_nm[0] - _SAME_NM, table.wavelengths_nm[-1] + _SAME_NM
    inside = [i for i, band in enumerate(bands) if low <= (band.wavelength_nm or 0.0) <= high]
    if len(inside) < 2:
        raise BandMismatchError(
            f"{table.name} has spectra from {low:.0f} to {high:.0f} nm, but {scene} has {listed_bands(bands)}, of which "
            f"{len(inside)} lie within; give a library of the scene's wavelengths, or state its unit in the header."
        )
    return inside


def library_members(
    table: SpectraTable, bands: Sequence[Band], *, class_field: str | None, scale: float | None
) -> tuple[Members, list[str]]:
    """Make members of the spectra of a table, or of the means of their classes, on the bands of a scene.

    Parameters
    ----------
    bands : within the table's wavelengths, see ``bands_within``.
    class_field : column with the class of each spectrum; None takes each spectrum for a member.
    scale : by which the table's numbers are multiplied; None leaves them.

    Returns
    -------
    The members, and what was assumed, a sentence each.

    Raises
    ------
    OptionError
        When there is no such column, no class, or the bands of a sensor of few bands have no widths.
    """
    lengths = np.array([band.wavelength_nm for band in bands], np.float64)
    order = np.argsort(lengths)
    widths, doubts = _widths(table, [bands[i] for i in order])
    on_bands = _spectra_at(table, lengths[order], widths) * (1.0 if scale is None else scale)
    spectra = np.empty_like(on_bands)
    spectra[:, order] = on_bands
    names, spectra = _grouped(table, spectra, class_field)
    how = "means of classes of" if class_field else "spectra of"
    return Members(names, tuple(bands), spectra, f"{how} {table.name}"), doubts


def _widths(table: SpectraTable, bands: Sequence[Band]) -> tuple[_Floats | None, list[str]]:
    """Look up widths of the scene's bands, None where the table has these bands, and list doubts."""
    own = table.wavelengths_nm
    lengths = np.array([band.wavelength_nm for band in bands], np.float64)
    apart = float(np.median(np.diff(lengths)))
    stated = [band.fwhm_nm for band in bands]
    known = [apart if width is None else width for width in stated]
    if _has_bands(table, lengths, np.array(known)):
        return None, []
    if all(width is not None for width in stated):
        widths, doubts = np.array(stated, np.float64), []
    elif apart > _NARROW_NM:
        raise OptionError(
            f"The scene's bands are about {apart:.0f} nm apart and state no widths (FWHM), without which the spectra of "
            f"{table.name} cannot be averaged over them; name Sentinel-2's bands with `bands=`, or give a library that has "
            f"the scene's own bands."
        )
    else:
        widths = np.gradient(lengths)
        doubts = [
            f"the scene states no widths (FWHM) of its bands; they were taken for as wide as their distance, {apart:.1f} nm"
        ]
    coarse = float(np.median(np.diff(own) if table.fwhm_nm is None else table.fwhm_nm))
    if coarse > 1.5 * float(np.median(widths)):
        doubts.append(
            f"{table.name} is coarser than the scene ({coarse:.0f} nm; the scene's bands are {np.median(widths):.0f} nm wide), so narrow "
            f"features are missing in its members"
        )
    elif table.fwhm_nm is None and coarse > 0.5 * float(np.median(widths)):
        doubts.append(
            f"{table.name} states no widths (FWHM) of its own bands, {coarse:.1f} nm apart; if these are of another sensor, its "
            f"members are smoother than the scene's spectra"
        )
    return widths, doubts


def _has_bands(table: SpectraTable, lengths: _Floats, widths: _Floats) -> bool:
    """Whether the table is on the scene's own bands, and not by chance on a finer axis."""
    own = table.wavelengths_nm
    nearest = np.abs(own[:, None] - lengths).argmin(axis=0)
    spacing = np.gradient(own)[nearest] if table.fwhm_nm is None else table.fwhm_nm[nearest]
    together = np.abs(own[nearest] - lengths) <= _SAME_NM
    return bool(together.all() and np.median(spacing / widths) > _FINER)


def _spectra_at(table: SpectraTable, lengths: _Floats, widths: _Floats | None) -> _Floats:
    if widths is None:
        nearest = np.abs(table.wavelengths_nm[:, None] - lengths).argmin(axis=0)
        return table.spectra[:, nearest]
    inside = lengths.clip(table.wavelengths_nm[0], table.wavelengths_nm[-1])
    return resampled(table, inside, widths).spectra


def _grouped(
    table: SpectraTable, spectra: _Floats, class_field: str | None
) -> tuple[tuple[str, ...], _Floats]:
    if class_field is None:
        return _names(table), spectra
    classes = table.classes(class_field)
    known = list(dict.fromkeys(name for name in classes if name is not None))
    if len(known) < 2:
        raise OptionError(
            f"Column {class_field!r} of {table.name} holds {counted(len(known), 'class')}, but a mixture is of 2 or more; give "
            f"another column with `class_field=`."
        )
    return tuple(known), np.stack([spectra[classes == name].mean(axis=0) for name in known])


def _names(table: SpectraTable) -> tuple[str, ...]:
    """Names of spectra: of the first column of distinct texts, else numbers."""
    for column in table.columns:
        values = [str(value) for value in table.columns[column]]
        if is_text(table.columns[column]).all() and len(set(values)) == len(values):
            return tuple(values)
    first = table.columns.columns[0] if len(table.columns.columns) else None
    values = [] if first is None else [str(value) for value in table.columns[first]]
    repeated = values and is_text(table.columns[first]).all()
    names = values if repeated else ["member"] * len(table)
    return tuple(_numbered(names))


def _numbered(names: Sequence[str]) -> list[str]:
    """Number names that occur more than once."""
    total, seen = Counter(names), Counter[str]()
    made = []
    for name in names:
        seen[name] += 1
        made.append(f"{name} {seen[name]}" if total[name] > 1 else name)
    return made


def check_size(members: Members, mean: _Floats, std: _Floats, library: str) -> None:
    """Refuse members of another size than the scene: percent, or reflectance times 10,000.

    Parameters
    ----------
    mean, std : (bands,) of the scene's pixels.

    Raises
    ------
    OptionError
        When they are more than 20 times as large or as small, over all bands together.
    """
    found = size_ratio(members.spectra, mean, std)
    if found is not None:
        ratio, factor = found
        raise OptionError(
            f"The spectra of {library} are about {ratio:.2g} times as large as the scene's, so the scene is no mixture of them; "
            f"if one of the two is in another unit (percent, or whole numbers of 0 to 10,000), multiply the library with "
            f"`members_scale={1 / factor if ratio > 1 else factor:g}`."
        )
