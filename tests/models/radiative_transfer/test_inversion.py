"""Leaves inverted: what a law made is found again, within bounds, without weights."""

import itertools

import numpy as np
import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.radiative_transfer.inversion import LogisticSpace, improve, invert
from georaster_dl.models.radiative_transfer.leaf import LeafReflectance, leaf_traits

SWIR = np.arange(1300, 2401, 50.0)


def leaves(law, count, seed=0):
    random = torch.Generator().manual_seed(seed)
    space = LogisticSpace(law)
    return space.values(
        space.mean
        + space.sd * torch.randn(count, len(space.mean), generator=random, dtype=torch.float64)
    )


@pytest.mark.slow
@pytest.mark.parametrize("gain", [False, True])
def test_leaves_without_noise_are_found_again(gain):
    law = LeafReflectance(SWIR, leaf_traits(SWIR, gain=gain))
    true = leaves(law, 30)
    z, left = invert(law, law(true), misfit=1e-5)
    found = LogisticSpace(law).values(z)
    for trait in ("cw", "cm"):
        i = [t.name for t in law.traits].index(trait)
        assert np.corrcoef(found[:, i], true[:, i])[0, 1] ** 2 > 0.99
    assert left.abs().median() < 1e-4


def test_no_step_makes_a_leaf_less_likely():
    law = LeafReflectance(SWIR, leaf_traits(SWIR, gain=False))
    space = LogisticSpace(law)
    spectra = law(leaves(law, 20)) + 0.003 * torch.randn(20, len(SWIR), dtype=torch.float64)

    def loss(z):
        misfit = (law(space.values(z)) - spectra) / 0.004
        return misfit.square().sum(-1) + ((z - space.mean) / space.sd).square().sum(-1)

    losses = [
        loss(improve(law, space, spectra, space.mean.expand(20, -1), steps=steps))
        for steps in (0, 1, 3, 10)
    ]
    for before, after in itertools.pairwise(losses):
        assert (after <= before).all()
    assert losses[-1].mean() < losses[0].mean() / 10


def test_traits_stay_within_their_bounds_whatever_the_spectrum():
    law = LeafReflectance(SWIR, leaf_traits(SWIR, gain=True))
    odd = torch.tensor([[-5.0], [0.0], [1.0], [40.0]], dtype=torch.float64).expand(-1, len(SWIR))
    values = LogisticSpace(law).values(invert(law, odd)[0])
    for trait, column in zip(law.traits, values.T, strict=True):
        assert (column >= trait.low).all()
        assert (column <= trait.high).all()


def test_expected_traits_are_the_middle_of_the_logistic_space():
    law = LeafReflectance(SWIR, leaf_traits(SWIR, gain=True))
    space = LogisticSpace(law)
    expected = torch.tensor(law.expected, dtype=torch.float64)
    torch.testing.assert_close(space.values(space.mean), expected[:, 0])
    slightly = 1e-4 * space.sd
    slopes = (space.values(space.mean + slightly) - space.values(space.mean)) / 1e-4
    torch.testing.assert_close(slopes, expected[:, 1], rtol=1e-3, atol=0)


def test_a_law_has_no_weights():
    assert not list(LeafReflectance(SWIR, leaf_traits(SWIR, gain=True)).parameters())


@pytest.mark.parametrize(
    ("low", "high", "seen"),
    [
        (1300, 2400, ("n", "cw", "cm", "offset")),
        (400, 2400, ("n", "cab", "car", "ant", "brown", "cw", "cm", "offset")),
        (400, 900, ("n", "cab", "car", "ant", "brown", "cm", "offset")),
    ],
)
def test_wavelengths_tell_of_what_absorbs_there(low, high, seen):
    lengths = np.arange(low, high + 1, 10.0)
    assert leaf_traits(lengths, gain=False) == seen
    assert leaf_traits(lengths, gain=True) == (*seen, "gain")


def test_offset_and_gain_act_on_the_leaf():
    law = LeafReflectance(SWIR, ("n", "cw", "cm", "offset", "gain"))
    plain = LeafReflectance(SWIR, ("n", "cw", "cm"))
    leaf = torch.tensor([1.5, 0.015, 0.005], dtype=torch.float64)
    measured = law(torch.cat([leaf, torch.tensor([0.02, 0.9], dtype=torch.float64)]))
    torch.testing.assert_close(measured, 0.9 * plain(leaf) + 0.02)


def test_a_leaf_without_structure_is_refused():
    with pytest.raises(OptionError, match="n at least, but got cw"):
        LeafReflectance(SWIR, ("cw",))
