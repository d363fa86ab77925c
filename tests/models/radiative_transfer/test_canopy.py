"""Canopies, soils and sensor bands agree with others' simulations and with what is known of them."""

import numpy as np
import pytest
import torch

from georaster_dl.core.bands import SENTINEL2
from georaster_dl.core.errors import OptionError
from georaster_dl.models.radiative_transfer import (
    CANOPY_TRAITS,
    SOIL_TRAITS,
    bare_soil,
    canopy,
    flat_responses,
)
from tests.conftest import REAL_DATA

W = np.arange(400, 2501, 10.0)
DRY = {"brightness": 0.4, "rise": 400.0, "steepness": 1.9, "clay": 0.1, "wet": 0.0, "film": 0.0}
PLANTS = {
    "n": 1.5,
    "cab": 40.0,
    "car": 8.0,
    "cw": 0.012,
    "cm": 0.006,
    "lai": 3.0,
    "ala": 57.0,
    "hotspot": 0.1,
    "sun_zenith": 35.0,
    "view_zenith": 5.0,
    "relative_azimuth": 120.0,
}


def _each(traits, **changed):
    return {
        name: torch.atleast_1d(torch.as_tensor(value, dtype=torch.float64))
        for name, value in (traits | changed).items()
    }


def test_a_film_of_water_darkens_the_soil_most_where_water_absorbs():
    dry, wet = (bare_soil(_each(DRY, wet=wet, film=0.03), W)[0].numpy() for wet in (0.0, 1.0))
    ratio = wet / dry
    assert (ratio < 1).all()
    assert ratio[W == 1940] < ratio[W == 1660] < ratio[W == 860]


def test_soils_stay_reflectances_within_their_bounds():
    rng = np.random.default_rng(1)
    drawn = {name: rng.uniform(t.low, t.high, 1000) for name, t in SOIL_TRAITS.items()}
    soils = bare_soil(_each(drawn), W)
    assert 0 <= float(soils.min()) <= float(soils.max()) <= 1


def test_canopies_without_leaves_are_soil_and_plants_absorb_in_the_red():
    soil = bare_soil(_each(DRY), W)
    bare = canopy(_each(PLANTS, lai=0.0), soil, W).bidirectional
    green = canopy(_each(PLANTS), soil, W).bidirectional[0].numpy()
    assert torch.allclose(bare, soil, atol=1e-12)
    assert green[W == 670] < 0.05
    assert green[W == 860] > 0.3


def test_the_gradient_of_the_leaf_area_equals_the_finite_difference():
    soil = bare_soil(_each(DRY), W)
    lai = torch.tensor([1.5], dtype=torch.float64, requires_grad=True)

    def spectrum(value):
        return canopy(_each(PLANTS) | {"lai": value}, soil, W).bidirectional

    assert torch.autograd.gradcheck(spectrum, (lai,), rtol=1e-3)


@pytest.mark.parametrize("name", CANOPY_TRAITS)
def test_a_canopy_names_the_trait_that_is_absent(name):
    traits = _each({key: value for key, value in PLANTS.items() if key != name})
    with pytest.raises(OptionError, match=f"needs the trait `{name}`"):
        canopy(traits, bare_soil(_each(DRY), W), W)


def test_wide_bands_keep_to_their_edges():
    centre, width = np.array([832.8]), np.array([105.0])
    seen = flat_responses(centre, width)
    assert seen.weights.sum() == pytest.approx(1)
    assert seen.wavelengths_nm.min() > 755
    assert seen.weights[0] @ seen.wavelengths_nm == pytest.approx(832.8, abs=1)


def test_narrow_bands_see_their_wavelength():
    centres = np.arange(420.0, 2450, 6.5)
    seen = flat_responses(centres, np.full(len(centres), 6.5))
    assert np.abs(seen.weights @ seen.wavelengths_nm - centres).max() < 0.3


@pytest.mark.realdata
@pytest.mark.slow
def test_six_numbers_describe_soils_of_the_world():
    from scipy.optimize import least_squares

    folder = REAL_DATA / "spectral_library"
    spectra = np.fromfile(folder / "spectra.sli", np.float32).reshape(-1, 180)
    sources = (folder / "spectra.csv").read_text().splitlines()[1:]
    soils = spectra[["icraf-isric-soil" in line for line in sources]]
    chosen = soils[np.random.default_rng(0).choice(len(soils), 8, replace=False)]
    at = np.arange(400, 2200, 30.0)
    bounds = [[getattr(t, end) for t in SOIL_TRAITS.values()] for end in ("low", "high")]
    bounds[1][0] = 1.5

    def error(values, soil):
        computed = bare_soil(_each(dict(zip(SOIL_TRAITS, values, strict=True))), at)
        return computed[0].numpy() - soil[: 3 * len(at) : 3]

    start = [0.4, 400.0, 1.9, 0.1, 0.1, 0.01]
    found = [least_squares(error, start, args=(soil,), bounds=bounds).fun for soil in chosen]
    assert np.median(np.sqrt(np.mean(np.square(found), axis=1))) < 0.03


@pytest.mark.realdata
def test_simulations_of_others_are_reproduced_from_their_inputs():
    """PROSAIL simulations with noise and with other soils, constants of leaves and responses of the bands.

    From the red edge on they agree; in the visible theirs are a third darker in blue and green, and their noise is as
    large as what varies. The last two bands behave like those at 945 and 1610 nm (water vapour's and B11), not like B11 and B12.
    """
    folder = REAL_DATA / "physics_lai"
    inputs, spectra = (
        torch.load(folder / f"train_prosail_{part}.pt", weights_only=True).double()
        for part in ("sim_vars", "s2_sim_refl")
    )
    # With many leaves and a dark soil, which one it is matters little.
    dense = (inputs[:, 6] > 2.5) & (inputs[:, 10] < 1.5)
    inputs, spectra = inputs[dense], spectra[dense]
    names = ["n", "cab", "car", "brown", "cw", "cm", "lai", "ala", "hotspot", "share", "factor"]
    names += ["sun_zenith", "view_zenith", "relative_azimuth"]
    given = dict(zip(names, inputs.T, strict=True))
    given["ala"] = given["ala"].clamp(10, 85)
    bands = [b for b in SENTINEL2 if b.name not in ("B01", "B10", "B12")]
    sensor = flat_responses(
        np.array([b.wavelength_nm for b in bands]), np.array([b.fwhm_nm for b in bands])
    )
    dry = bare_soil(_each(DRY, brightness=0.5, rise=300.0, steepness=1.2), sensor.wavelengths_nm)
    wet = bare_soil(_each(DRY, brightness=0.15), sensor.wavelengths_nm)
    share, factor = given.pop("share")[:, None], given.pop("factor")[:, None]
    soil = factor * (share * dry + (1 - share) * wet)
    found = canopy(given, soil, sensor.wavelengths_nm).bidirectional.numpy() @ sensor.weights.T
    r2 = [np.corrcoef(found[:, i], spectra[:, i].numpy())[0, 1] ** 2 for i in range(10)]
    bias = (found.mean(axis=0) / spectra.numpy().mean(axis=0)) - 1
    assert min(r2[4:]) > 0.94
    assert np.abs(bias[4:]).max() < 0.05
