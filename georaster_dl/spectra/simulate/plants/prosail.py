"""Spectra of pixels with plants on soil, drawn from traits by PROSPECT and 4SAIL."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.sensor import SensorBands
from georaster_dl.spectra.simulate.noise import check_noise
from georaster_dl.spectra.simulate.plants.priors import (
    CANOPY,
    LEAF,
    SOIL,
    Range,
    Traits,
    check_ranges,
    draw,
)
from georaster_dl.spectra.simulate.plants.prospect import draw_leaves
from georaster_dl.spectra.simulate.result import Simulated
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["simulate_prosail"]

_Floats = npt.NDArray[np.float64]

_STEP_NM = 10.0
_YELLOWING = 0.5  # of the canopies
_OPEN = 0.5  # of the pixels
_LEAST_COVER = 0.2
_SOIL_BRIGHTNESS = (0.6, 1.1)
_SLACK_NM = 60.0  # at the ends of measured soils, which are held on from there
# Relative noise of all bands alike and of each band, and noise in reflectance, after correction of the atmosphere.
_ALIKE, _RELATIVE, _ABSOLUTE = 0.05, 0.03, 0.005
_FIELD_ABSOLUTE, _FIELD_RELATIVE = 0.5, 0.2


def simulate_prosail(
    *,
    n: int,
    seed: int = 0,
    bands: SensorBands | None = None,
    traits: Mapping[str, Range] | None = None,
    soils: SpectraTable | None = None,
    noise: float | None = None,
) -> Simulated:
    """Simulate reflectances of pixels with their leaf area index and traits (PROSPECT-D and 4SAIL).

    Half of the pixels are covered by their canopy only in part (``cover``), and half of the canopies are
    yellowing (``yellow``: they lose pigments and water), as instruments in the field count leaves of all
    colours. ``lai`` is the leaf area over the area of the pixel, and ``lai_field`` what an instrument in the
    field would read of it, with an error of 0.5 and 20 % (GCOS 2016, the accuracy asked of such products): a
    model that learns it predicts the same, with intervals that hold for readings. Other columns: ``ala``, ``hotspot``,
    ``sun_zenith``, ``view_zenith``, ``relative_azimuth`` (degrees) and those of ``simulate_prospect``.

    Parameters
    ----------
    n : number of spectra.
    bands : of the sensor; 400 to 2500 nm in steps of 10 nm when None.
    traits : (least, largest) value of those traits that are drawn evenly within other bounds than by default;
        also of ``cover`` and ``yellow``.
    soils : spectra of bare soils, drawn at random and made 0.6 to 1.1 times as bright; soils of six numbers
        (``bare_soil``) when None.
    noise : standard deviation of normal noise in all bands; when None, 0.005 and 3 % of each band and 5 % of
        all bands alike.

    Raises
    ------
    OptionError
        When a trait is not known or its range is impossible, the noise is negative, a band lies outside 400 to 2500 nm, or the soils do
        not cover the bands.
    """
    ranges = dict(traits or {})
    check_ranges(ranges, {**LEAF, **CANOPY, **SOIL, "cover": 1, "yellow": 1})
    check_noise(noise)
    random = np.random.default_rng(seed)
    canopies = {
        **draw(CANOPY, ranges, n, random),
        **draw_leaves(n, ranges, random),
        "yellow": _some(ranges.get("yellow"), _YELLOWING, 0.0, (0.0, 1.0), n, random),
        "cover": _some(ranges.get("cover"), _OPEN, 1.0, (_LEAST_COVER, 1.0), n, random),
    }
    canopies |= {k: v for k, v in _yellowed(canopies, random).items() if k not in ranges}
    ground = draw(SOIL, ranges, n, random)
    spectra, wavelengths = _pixels(canopies, ground, soils, bands, random)
    lai = canopies["lai"] * canopies["cover"]
    error = np.hypot(_FIELD_ABSOLUTE, _FIELD_RELATIVE * lai) * random.standard_normal(n)
    columns = {"lai": lai, "lai_field": lai + error}
    columns |= {name: values for name, values in canopies.items() if name != "lai"}
    widths = None if bands is None else bands.fwhm_nm
    return Simulated(
        _noisy(spectra, noise, random).astype(np.float32),
        wavelengths,
        columns,
        "prosail",
        seed,
        {
            "traits": ranges,
            "soils": "computed" if soils is None else soils.name,
            "noise": (
                f"{_ALIKE:.0%} of all bands alike, {_RELATIVE:.0%} of each and {_ABSOLUTE:g}"
                if noise is None
                else noise
            ),
        },
        fwhm_nm=widths,
    )


def _some(
    given: Range | None,
    share: float,
    otherwise: float,
    within: Range,
    n: int,
    random: np.random.Generator,
) -> _Floats:
    """Draw evenly within a given range; else for a share of the pixels, the others having one value."""
    if given is not None:
        return random.uniform(*given, n)
    return np.where(random.random(n) < share, random.uniform(*within, n), otherwise)


def _yellowed(green: Traits, random: np.random.Generator) -> Traits:
    """Take pigments and water out of leaves by how far they are from green; carotenoids stay longest."""
    yellow = green["yellow"]
    left = 1 - yellow
    return {
        "n": green["n"] + yellow * random.uniform(0, 1, len(yellow)),
        "cab": green["cab"] * left**2,
        "car": green["car"] * (1 - 0.7 * yellow),
        "brown": green["brown"] + yellow * random.uniform(0, 1.2, len(yellow)),
        "cw": green["cw"] * left**1.5 + 0.0008,
    }


def _pixels(
    canopies: Traits,
    ground: Traits,
    soils: SpectraTable | None,
    bands: SensorBands | None,
    random: np.random.Generator,
) -> tuple[_Floats, _Floats]:
    """Return spectra (n, bands) of canopies beside bare soil, and the wavelengths of the bands."""
    import torch

    from georaster_dl.models.radiative_transfer import bare_soil, canopy
    from georaster_dl.spectra.simulate.plants.sensor import on_sensor

    n = len(canopies["lai"])
    measured = None if soils is None else _DrawnSoils(soils, n, random)

    def tensors(values: Traits, rows: slice) -> dict[str, torch.Tensor]:
        return {name: torch.as_tensor(v[rows], dtype=torch.float32) for name, v in values.items()}

    def computed(fine: _Floats, rows: slice) -> torch.Tensor:
        if measured is None:
            soil = bare_soil(tensors(ground, rows), fine)
        else:
            soil = torch.as_tensor(measured(fine, rows), dtype=torch.float32)
        values = tensors(canopies, rows)
        cover = values.pop("cover")[:, None]
        del values["yellow"]
        return cover * canopy(values, soil, fine).bidirectional + (1 - cover) * soil

    return on_sensor(computed, n, bands, step_nm=_STEP_NM)


class _DrawnSoils:
    """Spectra of measured soils, one drawn for each pixel."""

    def __init__(self, soils: SpectraTable, n: int, random: np.random.Generator) -> None:
        low, high = np.nanmin(soils.spectra), np.nanmax(soils.spectra)
        if low < 0 or high > 1 or np.isnan(soils.spectra).any():
            raise OptionError(
                f"{soils.name} holds values of {low:g} to {high:g}, but `soils=` are reflectances of 0 to 1 without "
                f"gaps; convert it, such as by dividing by 10,000."
            )
        self._soils = soils
        self._rows = random.integers(len(soils), size=n)
        self._factors = random.uniform(*_SOIL_BRIGHTNESS, n)

    def __call__(self, fine: _Floats, rows: slice) -> _Floats:
        """Return (rows, fine) reflectances, straight between the soils' own wavelengths."""
        own = self._soils.wavelengths_nm
        if own[0] > fine[0] + _SLACK_NM or own[-1] < fine[-1] - _SLACK_NM:
            raise OptionError(
                f"{self._soils.name} covers {own[0]:g} to {own[-1]:g} nm, but the bands need {fine[0]:g} to "
                f"{fine[-1]:g} nm; give `soils=` of these wavelengths."
            )
        right = np.clip(np.searchsorted(own, fine), 1, len(own) - 1)
        share = ((fine - own[right - 1]) / (own[right] - own[right - 1])).clip(0, 1)
        spectra = self._soils.spectra[self._rows[rows]]
        between = spectra[:, right - 1] * (1 - share) + spectra[:, right] * share
        return np.asarray(between * self._factors[rows, None])


def _noisy(spectra: _Floats, noise: float | None, random: np.random.Generator) -> _Floats:
    each = random.standard_normal(spectra.shape)
    if noise is not None:
        return spectra + noise * each
    spectra = spectra * (1 + _ALIKE * random.standard_normal((len(spectra), 1)))
    spectra = spectra * (1 + _RELATIVE * each)
    return spectra + _ABSOLUTE * random.standard_normal(spectra.shape)
