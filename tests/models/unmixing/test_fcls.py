"""Fully constrained least squares: exact, on the simplex, and the same whatever the order."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from georaster_dl.models.zoo.unmixing.fcls import fcls


def smooth(members, bands, seed=0):
    random = np.random.default_rng(seed)
    steps = random.normal(0, 1, (members, bands)).cumsum(1)
    low, high = steps.min(1, keepdims=True), steps.max(1, keepdims=True)
    return 0.05 + 0.5 * (steps - low) / (high - low)


def mixed(members, pixels, noise, seed=1, concentration=0.5):
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(len(members), concentration), pixels)
    return shares @ members + noise * random.normal(0, 1, (pixels, members.shape[1]))


def solved(spectra, members):
    return fcls(torch.as_tensor(spectra), torch.as_tensor(members)).numpy()


def by_scipy(spectra, members):
    """The nearest point of a simplex is a solution of NNLS, with a row of ones, divided by its sum (Haskell & Hanson 1981)."""
    found = []
    for spectrum in spectra:
        rows = np.vstack([(members - spectrum).T, np.ones(len(members))])
        free = nnls(rows, np.append(np.zeros(len(spectrum)), 1.0), maxiter=1000)[0]
        found.append(free / free.sum())
    return np.array(found)


@pytest.mark.parametrize("count", [2, 3, 6, 12])
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.3])
def test_fractions_are_those_of_scipy(count, noise):
    members = smooth(count, 60)
    spectra = mixed(members, 300, noise)
    assert np.abs(solved(spectra, members) - by_scipy(spectra, members)).max() < 1e-9


def test_a_heavy_row_of_ones_gives_the_same():
    members = smooth(5, 60)
    spectra = mixed(members, 100, 0.02)
    weight = 1e4 * members.max()
    rows = np.vstack([members.T, np.full(5, weight)])
    theirs = np.array([nnls(rows, np.append(each, weight))[0] for each in spectra])
    assert np.abs(solved(spectra, members) - theirs).max() < 1e-6


def test_many_members_are_solved_exactly():
    members = smooth(40, 120)
    spectra = mixed(members, 40, 0.02, concentration=0.1)
    assert np.abs(solved(spectra, members) - by_scipy(spectra, members)).max() < 1e-8


def test_fractions_are_not_negative_and_sum_to_1():
    members = smooth(6, 80)
    found = solved(mixed(members, 5000, 0.05), members)
    assert found.min() >= 0
    assert np.abs(found.sum(1) - 1).max() < 1e-12


def test_a_member_is_itself_and_the_mean_of_two_is_half_of_each():
    members = smooth(5, 50)
    assert np.abs(solved(members, members) - np.eye(5)).max() < 1e-9
    halves = solved(((members[1] + members[3]) / 2)[None], members)
    assert np.abs(halves - [[0, 0.5, 0, 0.5, 0]]).max() < 1e-9


def test_the_copy_of_a_member_shares_its_fraction():
    members = smooth(4, 50)
    spectra = mixed(members, 500, 0.02)
    alone, beside = solved(spectra, members), solved(spectra, np.vstack([members, members[2]]))
    assert beside.min() >= 0
    assert np.abs(beside[:, 2] + beside[:, 4] - alone[:, 2]).max() < 1e-9


def test_a_mixture_among_the_members_leaves_the_fit_as_good():
    members = smooth(4, 50)
    more = np.vstack([members, members[:2].mean(0)])
    spectra = mixed(members, 200, 0.02)
    alone, beside = solved(spectra, members) @ members, solved(spectra, more) @ more
    assert np.abs(alone - beside).max() < 1e-8


def test_with_orthonormal_members_it_is_the_projection_onto_the_simplex():
    members = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 5)))[0].T
    spectra = np.random.default_rng(1).normal(size=(500, 30))
    inner = spectra @ members.T
    ordered = -np.sort(-inner, axis=1)  # Duchi et al. 2008
    over = (ordered.cumsum(1) - 1) / np.arange(1, 6)
    last = (ordered > over).sum(1)
    projected = np.maximum(inner - over[np.arange(500), last - 1][:, None], 0)
    assert np.abs(solved(spectra, members) - projected).max() < 1e-9


def test_the_order_of_members_orders_the_fractions():
    members, order = smooth(6, 50), [3, 0, 5, 1, 4, 2]
    spectra = mixed(members, 500, 0.03)
    assert np.abs(solved(spectra, members)[:, order] - solved(spectra, members[order])).max() < 1e-9


def test_members_of_large_numbers_and_a_member_of_zeros_are_solved():
    members = np.vstack([smooth(3, 50), np.zeros((1, 50))]) * 1e4
    spectra = mixed(members, 100, 0.0)
    assert np.abs(solved(spectra, members) @ members - spectra).max() < 1e-6


def test_as_many_members_as_bands_and_one_more_are_told_apart():
    members = smooth(5, 4)
    spectra = mixed(members, 200, 0.0)
    assert np.abs(solved(spectra, members) @ members - spectra).max() < 1e-9
