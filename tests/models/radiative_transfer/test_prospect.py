"""PROSPECT: the published vectors, what physics demands of it, and its gradients."""

import numpy as np
import pytest
import scipy.io
import scipy.special
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.radiative_transfer import LEAF_TRAITS, Prospect, prospect
from georaster_dl.models.radiative_transfer.constants import (
    ABSORBERS,
    average_transmissivity,
    leaf_constants,
)
from georaster_dl.models.radiative_transfer.prospect import _E1

ALL = np.arange(400, 2501.0)
LEAF = {"n": 1.2, "cab": 30.0, "car": 10.0, "ant": 1.0, "cw": 0.015, "cm": 0.009}


@pytest.fixture(scope="module")
def model():
    return Prospect(ALL[::10])


def random_leaves(count, names, seed=0):
    random = np.random.default_rng(seed)
    return {
        name: torch.as_tensor(random.uniform(LEAF_TRAITS[name].low, LEAF_TRAITS[name].high, count))
        for name in names
    }


@pytest.mark.parametrize(
    ("wavelength", "reflectance", "transmittance"),
    [
        (550, 0.125954, 0.192247),
        (670, 0.036820, 0.019986),
        (800, 0.385686, 0.531428),
        (1650, 0.237596, 0.422268),
        (2200, 0.097446, 0.249283),
    ],
)
def test_published_leaf(wavelength, reflectance, transmittance):
    leaf = prospect(LEAF, [wavelength])
    assert leaf.reflectance.item() == pytest.approx(reflectance, abs=1e-6)
    assert leaf.transmittance.item() == pytest.approx(transmittance, abs=1e-6)


@pytest.mark.realdata
def test_prospect_d_gives_the_whole_reference_spectrum(real_data):
    expected = scipy.io.loadmat(real_data / "physics_leaf" / "prospect_d_test.mat")["LRT"]
    leaf = prospect(LEAF, expected[:, 0])
    np.testing.assert_allclose(leaf.reflectance, expected[:, 1], atol=1e-12)
    np.testing.assert_allclose(leaf.transmittance, expected[:, 2], atol=1e-12)


@pytest.mark.realdata
def test_prospect_pro_gives_the_whole_reference_spectrum(real_data):
    """The reference counts dry matter twice, which `prospect` refuses."""
    expected = np.genfromtxt(real_data / "physics_leaf" / "prospect_pro_test.txt", skip_header=4)
    model = Prospect(expected[:, 0])
    amounts = {**LEAF, "prot": 0.001, "cbc": 0.009}
    total = sum(
        amounts.get(name, 0.0) * row for name, row in zip(ABSORBERS, model.absorption, strict=True)
    )
    leaf = model.from_absorption(total, torch.tensor(1.2, dtype=torch.float64))
    np.testing.assert_allclose(leaf.reflectance, expected[:, 1], atol=1e-12)
    np.testing.assert_allclose(leaf.transmittance, expected[:, 2], atol=1e-12)


@pytest.mark.realdata
def test_constants_are_those_that_were_published(real_data):
    published = np.loadtxt(real_data / "physics_leaf" / "dataSpec_PRO.txt", skiprows=1).T
    constants = leaf_constants(published[0])
    np.testing.assert_array_equal(constants.index, published[1])
    np.testing.assert_array_equal(constants.absorption, published[2:])
    t40 = scipy.io.loadmat(real_data / "physics_leaf" / "tav_alpha40.mat")["tav"][:, 0]
    np.testing.assert_allclose(constants.t40, t40, atol=1e-12)


def test_transmissivity_of_a_narrow_cone_is_that_of_light_at_right_angles():
    index = np.array([1.0, 1.3, 1.5])
    np.testing.assert_allclose(
        average_transmissivity(0.01, index), 4 * index / (index + 1) ** 2, rtol=1e-7
    )


def test_exponential_integral_is_scipys():
    k = torch.logspace(-9, 2, 500, dtype=torch.float64)
    np.testing.assert_allclose(_E1.apply(k), scipy.special.exp1(k.numpy()), rtol=1e-11)
    np.testing.assert_allclose(
        _E1.apply(k[k < 50].float()), scipy.special.exp1(k[k < 50].numpy()), rtol=1e-5
    )


@pytest.mark.parametrize("dry", [["cm"], ["prot", "cbc"]], ids=["D", "PRO"])
def test_a_leaf_reflects_and_transmits_no_more_than_all_light(dry, model):
    leaf = model(random_leaves(1000, ["n", "cab", "car", "ant", "brown", "cw", *dry]))
    assert leaf.reflectance.shape == (1000, 211)
    assert leaf.reflectance.min() > 0
    assert leaf.transmittance.min() > 0
    assert (leaf.reflectance + leaf.transmittance).max() <= 1


@pytest.mark.parametrize("plates", [1.0, 1.7, 3.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_leaf_that_absorbs_nothing_loses_no_light(plates, dtype):
    leaf = prospect({"n": torch.tensor(plates, dtype=dtype)}, ALL)
    torch.testing.assert_close(
        leaf.reflectance + leaf.transmittance, torch.ones(len(ALL), dtype=dtype), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(
    ("trait", "wavelength", "sign"),
    [("cw", 1450, -1), ("cab", 670, -1), ("cm", 2300, -1), ("n", 800, 1)],
)
def test_reflectance_follows_each_trait(trait, wavelength, sign):
    bounds = LEAF_TRAITS[trait]
    rising = torch.linspace(bounds.low, bounds.high, 50, dtype=torch.float64)
    steps = prospect({**LEAF, trait: rising}, [wavelength]).reflectance.diff(dim=0)
    assert (steps * sign > 0).all()


def test_single_precision_agrees_with_double():
    leaves = random_leaves(200, ["n", "cab", "car", "ant", "brown", "cw", "cm"])
    double = prospect(leaves, ALL[::10])
    single = prospect({name: value.float() for name, value in leaves.items()}, ALL[::10])
    assert single.reflectance.dtype == torch.float32
    for one, other in zip(single, double, strict=True):
        torch.testing.assert_close(one.double(), other, atol=1e-5, rtol=0)


def test_gradients_are_those_of_finite_differences(model):
    names = ["n", "cab", "car", "ant", "brown", "cw", "cm"]
    leaves = torch.stack(list(random_leaves(3, names).values()), dim=-1).requires_grad_()

    def both(values):
        leaf = model(dict(zip(names, values.unbind(-1), strict=True)))
        return leaf.reflectance[:, ::20], leaf.transmittance[:, ::20]

    assert torch.autograd.gradcheck(both, leaves, atol=1e-6, rtol=1e-3)


def test_gradients_of_a_leaf_that_absorbs_nothing_are_those_of_the_limit():
    def at(amount):
        return prospect({"n": 1.5, "cw": amount}, [1000.0]).reflectance

    amount = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(at(amount), amount)
    step = torch.tensor(1e-6, dtype=torch.float64)
    assert gradient.item() == pytest.approx(((at(step) - at(0 * step)) / step).item(), rel=1e-3)


def test_prospect_has_no_weights(model):
    assert not list(model.parameters())


@pytest.mark.parametrize(
    ("traits", "wavelengths", "message"),
    [
        ({**LEAF, "prot": 0.001, "cbc": 0.008}, [500], "given twice"),
        ({"cab": 30}, [500], "needs the leaf structure `n`"),
        ({"n": 0.9}, [500], "`n` must be finite and at least 1, but is 0.9"),
        ({"n": 1.5, "cw": float("nan")}, [500], "`cw` must be finite"),
        ({"n": 1.5, "water": 0.01}, [500], "no trait 'water'"),
        (LEAF, [399, 500], "reach from 400 to 2500 nm, but the wavelengths are 399 to 500 nm"),
        (LEAF, [0.5, 0.6], "convert the wavelengths to nm"),
        (LEAF, [], "are none"),
    ],
)
def test_what_prospect_refuses(traits, wavelengths, message):
    with pytest.raises(OptionError, match=message):
        prospect(traits, wavelengths)
