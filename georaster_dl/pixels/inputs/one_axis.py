"""Scenes of one sensor, brought to the bands that all of them hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from georaster_dl.core.bands import wavelength_tolerance_nm
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.scenes.checks.calibration import calibration_warning
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.pixels.inputs.strips import usable_bands, warn_doubts
from georaster_dl.spectra.table.axis import FEWEST_BANDS

__all__ = ["by_wavelength", "on_one_axis"]


def by_wavelength(scene: Scene, report: Report) -> Scene:
    """Select the bands that hold data, by increasing wavelength, and report doubts about the values.

    Raises
    ------
    OptionError
        When the wavelength of a band is not known.
    """
    unknown = sum(band.wavelength_nm is None for band in scene.bands)
    if unknown:
        raise OptionError(
            f"{scene.name} states no wavelength of {unknown} of its {counted(len(scene.bands), 'band')}, by which a table knows "
            f"them; state them with `wavelengths=`, or choose bands with `bands=`."
        )
    scene = usable_bands(scene)
    warn_doubts(scene, report)
    doubt = calibration_warning(scene)
    if doubt is not None:
        report(Warned(doubt))
    lengths = np.array([band.wavelength_nm for band in scene.bands], np.float64)
    order = np.argsort(lengths, kind="stable")
    twice = np.diff(lengths[order], prepend=0) == 0
    if twice.any():
        named = listed(scene.bands[i].name for i in order[twice])
        report(Warned(f"{scene.name}: left out, as other bands have their wavelengths: {named}"))
    return scene.select(order[~twice].tolist())


def on_one_axis(scenes: Sequence[Scene], report: Report) -> list[Scene]:
    """Select the bands that all scenes hold, by name, in the first scene's order.

    Raises
    ------
    OptionError
        When these are fewer than 8, or their wavelengths differ as those of other sensors do.
    """
    by_name = [{band.name.casefold(): i for i, band in enumerate(s.bands)} for s in scenes]
    shared = [name for name in by_name[0] if all(name in own for own in by_name)]
    aligned = [s.select([own[n] for n in shared]) for s, own in zip(scenes, by_name, strict=True)]
    lengths = np.array([[band.wavelength_nm for band in s.bands] for s in aligned], np.float64)
    limits = np.array([wavelength_tolerance_nm(nm) for nm in lengths[0]])
    alike = (np.abs(lengths - lengths[0]) <= limits).all(axis=0)
    if len(shared) < FEWEST_BANDS or not alike.all():
        names = listed(dict.fromkeys(scene.name for scene in scenes), 3)
        raise OptionError(
            f"A table of spectra has one axis of at least {FEWEST_BANDS} wavelengths, but {names} have {int(alike.sum())} bands "
            f"of the same name and wavelength with data; extract each sensor into a table of its own, and for scenes of fewer bands take "
            f"geodl train or geodl classify."
        )
    dropped = dict.fromkeys(name for own in by_name for name in own if name not in shared)
    if dropped:
        left = counted(len(dropped), "band")
        report(Warned(f"{left} left out, as not every scene holds data in them: {listed(dropped)}"))
    return aligned
