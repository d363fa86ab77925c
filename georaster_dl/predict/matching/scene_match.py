"""Matches scenes to models by bands, values and resolution, before a pixel is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import MOST_NAMED, Band, listed_bands, match_bands
from georaster_dl.core.errors import BandMismatchError
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.scenes.checks.quantities import (
    check_alike,
    quantities_of,
    quantity_of_moments,
)
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.stacks.scene import stack_of, stack_scene
from georaster_dl.io.stacks.stack import TimeStack
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.series import refuse_points
from georaster_dl.models.registry import series_kind
from georaster_dl.models.runtime.dated import BoundDates, bound_card
from georaster_dl.models.runtime.optional_bands import (
    band_places,
    broken_modalities,
    missing_required_bands,
    narrowed_card,
)
from georaster_dl.predict.matching.stack_match import dates_of, match_stack

__all__ = ["SceneMatch", "check_quantities", "match_scene", "resolution_warning"]

_TOLERANCE = 0.10  # of the resolution; more changes what a pixel of texture means
_NUMBERS = "digital numbers"


class _OtherSensorError(BandMismatchError):
    """The scene is of an imaging spectrometer with other wavelengths than the model's."""


@dataclass(frozen=True)
class SceneMatch:
    """A scene as a model reads it.

    Attributes
    ----------
    scene : the bands that the model reads, in the model's order.
    card : the model's, narrowed to these bands where it can do without others.
    absent : names of the model's bands that the scene does not have.
    resampling : (model's bands, scene's bands) weights that make the ones of the others; None where
        the scene has the model's bands.
    dates : of each sensor of a time series; the card is bound to them.
    """

    scene: Scene
    card: Card
    absent: tuple[str, ...] = ()
    resampling: npt.NDArray[np.float32] | None = None
    dates: tuple[BoundDates, ...] = ()

    @property
    def bands(self) -> tuple[Band, ...]:
        """Bands that the network reads: the scene's, or the model's after resampling."""
        return self.scene.bands if self.resampling is None else self.card.bands


def match_scene(scene: Scene, card: Card, *, resample: bool = False) -> SceneMatch:
    """Match the model's bands to the scene's; absent optional bands are neither read nor filled in.

    Parameters
    ----------
    resample : make the model's bands from the scene's by their wavelengths, where they are others.

    Raises
    ------
    BandMismatchError
        When a band that the model needs is missing, the numbers have no physical meaning that the
        model could use, or the resolution is more than 10 % outside the model's range.
    """
    refuse_points(card)
    stack = stack_of(scene)
    if card.series is not None and stack is None:
        raise BandMismatchError(
            f"{card.name} reads a time series, but {scene.name} is a single scene; give a folder, list or cube of "
            f"dated scenes to `geodl timeseries classify`."
        )
    if stack is not None:
        return _matched_stack(scene, stack, card)
    try:
        match = _matched_bands(scene, card, resample=resample)
        _check_resolution(match.scene, card)
        return replace(match, scene=_with_values(match.scene, card))
    except _OtherSensorError:
        raise  # bands that were left out do not matter
    except BandMismatchError as error:
        raise BandMismatchError(" ".join([str(error), *scene.remarks])) from error


def _matched_stack(scene: Scene, stack: TimeStack, card: Card) -> SceneMatch:
    if series_kind(card.architecture.name) == "set":
        raise BandMismatchError(
            f"{card.name} reads whole parcels, with all their pixels, and no single ones; give polygons with `parcels=`, "
            f"or use a model of pixels or patches."
        )
    matched = match_stack(stack, card)
    scene = stack_scene(matched, scene.memory.settings if scene.memory else "")
    _check_resolution(scene, card)
    dates = dates_of(matched, card)
    return SceneMatch(_with_values(scene, card), bound_card(card, dates), dates=dates)


def _matched_bands(scene: Scene, card: Card, *, resample: bool) -> SceneMatch:
    if card.required_bands:
        return _with_optional_bands(scene, card)
    return _resampled(scene, card) if resample else _with_all_bands(scene, card)


def _with_all_bands(scene: Scene, card: Card) -> SceneMatch:
    try:
        return SceneMatch(scene.select(match_bands(card.bands, scene.bands)), card)
    except BandMismatchError as error:
        short = _other_wavelengths(scene, card)
        if short is None:
            raise
        raise _OtherSensorError(short) from error


def _other_wavelengths(scene: Scene, card: Card) -> str | None:
    """Describe a scene whose wavelengths are not those of a model of spectra; None if names matter."""
    wanted = [band.wavelength_nm for band in card.bands if band.wavelength_nm is not None]
    own = [b.wavelength_nm for b in scene.bands if b.good and b.wavelength_nm is not None]
    if len(wanted) < len(card.bands):
        return None
    begins = f"{scene.name} has {_span(own)}, but {card.name} needs {_span(wanted)}"
    missing = _missing_ends(own, wanted)
    is_covered = bool(own) and not missing
    is_spectrometer = len(own) > max(MOST_NAMED, sum(band.good for band in scene.bands) - 1)
    if is_covered and is_spectrometer:
        return f"{begins}; make the model's bands from the scene's with `resample=True`."
    if len(wanted) <= MOST_NAMED:
        return None
    if not own:
        return (
            f"{begins}; state the wavelengths of the scene's bands in a file, with `wavelengths=`."
        )
    if missing:
        return f"{begins}; {missing}."
    return f"{begins}; these are too few for a spectrum: use a scene of an imaging spectrometer."


def _missing_ends(own: Sequence[float], wanted: Sequence[float]) -> str:
    from georaster_dl.spectra.table.resample import missing_ends

    return missing_ends(np.array(own), np.array(wanted)) if own and wanted else ""


def _span(lengths: Sequence[float]) -> str:
    if not lengths:
        return "no wavelengths"
    return f"{counted(len(lengths), 'wavelength')} from {min(lengths):.0f} to {max(lengths):.0f} nm"


def _resampled(scene: Scene, card: Card) -> SceneMatch:
    """Order the scene's good bands by wavelength and compute the weights of the model's bands."""
    from georaster_dl.spectra.table.resample import resampling_weights

    wanted = np.array([band.wavelength_nm or np.nan for band in card.bands])
    widths = np.array([band.fwhm_nm or np.nan for band in card.bands])
    lengths = {i: b.wavelength_nm for i, b in enumerate(scene.bands) if b.good and b.wavelength_nm}
    if np.isnan(wanted).any() or len(lengths) < sum(band.good for band in scene.bands):
        whose = card.name if np.isnan(wanted).any() else scene.name
        raise BandMismatchError(
            f"`resample=True` goes by wavelengths, but {whose} has bands without one; state those of the scene with "
            f"`wavelengths=`."
        )
    order = sorted(lengths, key=lambda index: lengths[index])
    own = np.array([lengths[index] for index in order])
    up = np.argsort(wanted)
    known = None if np.isnan(widths).any() else widths[up]
    weights = np.empty((len(wanted), len(own)), np.float32)
    weights[up] = resampling_weights(own, wanted[up], known, name=scene.name)
    return SceneMatch(scene.select(order), card, resampling=weights)


def _with_optional_bands(scene: Scene, card: Card) -> SceneMatch:
    places = band_places(card, scene.bands)
    broken = broken_modalities(card, list(places))
    places = {
        b.name: places[b.name] for b in card.bands if b.name in places and b.modality not in broken
    }
    missing = missing_required_bands(card, list(places))
    if missing:
        needed = " and ".join(map(card.words_of, missing))
        partly = "".join(
            f" Of {modality or 'the bands without a modality'} it lacks {listed(names)}, and {card.name} reads that whole "
            f"or not at all."
            for modality, names in broken.items()
        )
        raise BandMismatchError(
            f"{card.name} needs {needed}, but the scene has {listed_bands(scene.bands)}.{partly} If the file's "
            f"names are missing or wrong, name its bands in file order with `bands=`."
        )
    absent = tuple(band.name for band in card.bands if band.name not in places)
    narrow = narrowed_card(card, list(places))
    return SceneMatch(scene.select(list(places.values())), narrow, absent)


def _with_values(scene: Scene, card: Card) -> Scene:
    """Scale the scene to the quantity that the model was trained on."""
    if card.quantity == _NUMBERS:
        # What is stored, whatever the file says that it means; unless the user says otherwise.
        return scene.as_stored()
    raw = [plane.band.name for plane in scene.planes if not plane.calibrated]
    if raw:
        raise BandMismatchError(
            f"{scene.name} holds {scene.dtype} numbers without scale and offset tags "
            f"(band {listed(raw)}), but {card.name} needs {card.quantity}; state what they mean "
            f"with `scale=` and `offset=` (Sentinel-2 since 2022: `scale=0.0001, offset=-0.1, nodata=0`; before: "
            f"`offset=0`)."
        )
    return scene


def check_quantities(match: SceneMatch) -> None:
    """Check that backscatter and heights are the quantities that the model learnt from, by a few windows.

    Raises
    ------
    BandMismatchError
        When it is power in place of dB, or a height above sea level in place of ground, or the other way round.
    SceneError
        When the file is damaged or truncated.
    """
    card = match.card
    if match.dates or match.resampling is not None or card.preprocessing is not None:
        return
    pairs = zip(match.scene.bands, card.bands, strict=True)
    wanted = [(own.name, quantity_of_moments(band, band.mean, band.std)) for own, band in pairs]
    if any(quantity.kind for _name, quantity in wanted):
        check_alike(quantities_of(match.scene), wanted, match.scene.name, card.name)


def resolution_warning(scene: Scene, card: Card) -> str | None:
    """Describe why the resolution cannot be checked; None where it was."""
    if card.resolution_m is None or scene.resolution_m is not None:
        return None
    crs = scene.geobox.crs
    why = "no CRS" if crs is None else f"a CRS of unknown unit ({crs.proj.name})"
    return (
        f"{scene.name} has {why}, so the size of its pixels is unknown; {card.name} was trained on "
        f"{_range(card)}."
    )


def _range(card: Card) -> str:
    finest, coarsest = card.resolution_m or (0.0, 0.0)
    return f"{finest:g} m" if finest == coarsest else f"{finest:g} to {coarsest:g} m"


def _check_resolution(scene: Scene, card: Card) -> None:
    size = scene.resolution_m
    if card.resolution_m is None or size is None:
        return
    finest, coarsest = card.resolution_m
    if finest * (1 - _TOLERANCE) <= size <= coarsest * (1 + _TOLERANCE):
        return
    raise BandMismatchError(
        f"{scene.name} has pixels of {size:.3g} m but {card.name} was trained on {_range(card)}; resample "
        f"the scene (gdalwarp -tr {finest:g} {finest:g} -r average) or use another model."
    )
