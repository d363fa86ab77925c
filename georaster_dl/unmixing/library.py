"""Members from a table of spectra, brought to the bands of a scene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band, listed_bands
from georaster_dl.core.errors import BandMismatchError, OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.spectra.sensor import (
    WATER_NM,
    SensorBands,
    coverage,
    in_water_vapour,
    on_bands,
)
from georaster_dl.spectra.table.cells import is_text
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.table.unit_check import size_ratio
from georaster_dl.unmixing.members import Members

__all__ = ["bands_within", "check_size", "library_members"]

_Floats = npt.NDArray[np.float64]

_NARROW_NM = 30.0  # neighbours of an imaging spectrometer are nearer, and touch
_SAME_NM = 0.1
_FINER = 0.5  # of the width of the scene's bands


def bands_within(
    table: SpectraTable, bands: Sequence[Band], scene: str
) -> tuple[list[int], list[str]]:
    """Find the bands of a scene that a table covers, without those of water vapour.

    Where the table is on the scene's own bands, those of water vapour stay.

    Returns
    -------
    Their indexes, and what was left out, a sentence each.

    Raises
    ------
    BandMismatchError
        When a band has no wavelength, or fewer than two are left.
    """
    unknown = [band.name for band in bands if band.wavelength_nm is None]
    if unknown:
        raise BandMismatchError(
            f"Members of {table.name} are brought to the scene's bands by their wavelengths, but {scene} states none of "
            f"{listed(unknown)}; give a file of them with `wavelengths=`."
        )
    order = _by_wavelength(bands)
    sensor = _sensor(bands, scene)
    used, notes = coverage(table, sensor)
    if not _has_bands(table, sensor.wavelengths_nm[used], _distances(sensor)[used]):
        wet = used & in_water_vapour(sensor.wavelengths_nm)
        used &= ~wet
        if wet.any():
            spans = " and ".join(f"{low:.0f} to {high:.0f}" for low, high in WATER_NM)
            notes.append(
                f"{counted(int(wet.sum()), 'band')} of {sensor.name} in the absorption of water vapour ({spans} nm) "
                f"{'was' if wet.sum() == 1 else 'were'} left out"
            )
    if used.sum() < 2:
        low, high = table.wavelengths_nm[[0, -1]]
        raise BandMismatchError(
            f"{table.name} has spectra from {low:.0f} to {high:.0f} nm, but {scene} has {listed_bands(bands)}, of which "
            f"{int(used.sum())} lie within and outside the absorption of water vapour; give a library of the scene's wavelengths, "
            f"or state its unit in the header."
        )
    return sorted(order[used].tolist()), notes


def library_members(
    table: SpectraTable,
    bands: Sequence[Band],
    scene: str,
    *,
    class_field: str | None,
    scale: float | None,
) -> tuple[Members, list[str]]:
    """Make members of the spectra of a table, or of the means of their classes, on the bands of a scene.

    Parameters
    ----------
    bands : that the table covers, see ``bands_within``.
    scene : name of the scene.
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
    at, doubts = _spectra_at(table, _sensor(bands, scene))
    spectra = np.empty_like(at)
    spectra[:, _by_wavelength(bands)] = at * (1.0 if scale is None else scale)
    names, spectra = _grouped(table, spectra, class_field)
    how = "means of classes of" if class_field else "spectra of"
    return Members(names, tuple(bands), spectra, f"{how} {table.name}"), doubts


def _by_wavelength(bands: Sequence[Band]) -> npt.NDArray[np.intp]:
    return np.argsort([band.wavelength_nm or 0.0 for band in bands], kind="stable")


def _sensor(bands: Sequence[Band], scene: str) -> SensorBands:
    """Bands by wavelength, with widths where all state them."""
    ordered = [bands[i] for i in _by_wavelength(bands)]
    widths = [np.nan if band.fwhm_nm is None else band.fwhm_nm for band in ordered]
    lengths = np.array([band.wavelength_nm for band in ordered], np.float64)
    known = None if np.isnan(widths).any() else np.array(widths, np.float64)
    return SensorBands(Path(scene).name, lengths, known)


def _distances(sensor: SensorBands) -> _Floats:
    """Widths of bands, or their usual distance where they are not known."""
    if sensor.fwhm_nm is not None:
        return sensor.fwhm_nm
    apart = np.diff(sensor.wavelengths_nm)
    return np.full(len(apart) + 1, np.median(apart) if apart.size else np.inf)


def _has_bands(table: SpectraTable, lengths: _Floats, widths: _Floats) -> bool:
    """Whether the table is on the scene's own bands, and not by chance on a finer axis."""
    if not lengths.size:
        return False
    own = table.wavelengths_nm
    nearest = np.abs(own[:, None] - lengths).argmin(axis=0)
    spacing = np.gradient(own)[nearest] if table.fwhm_nm is None else table.fwhm_nm[nearest]
    together = np.abs(own[nearest] - lengths) <= _SAME_NM
    return bool(together.all() and np.median(spacing / widths) > _FINER)


def _spectra_at(table: SpectraTable, sensor: SensorBands) -> tuple[_Floats, list[str]]:
    """Bring spectra (n, bands) to a sensor, and list every assumption."""
    lengths, distances = sensor.wavelengths_nm, _distances(sensor)
    if _has_bands(table, lengths, distances):
        nearest = np.abs(table.wavelengths_nm[:, None] - lengths).argmin(axis=0)
        return table.spectra[:, nearest], []
    if sensor.fwhm_nm is None and distances[0] > _NARROW_NM:
        raise OptionError(
            f"The scene's bands are about {distances[0]:.0f} nm apart and state no widths (FWHM), without which the spectra of "
            f"{table.name} cannot be averaged over them; name Sentinel-2's bands with `bands=`, or give a library that has "
            f"the scene's own bands."
        )
    made = on_bands(table, sensor, fewest=2)
    return made.spectra, list(made.repairs[len(table.repairs) :])


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
