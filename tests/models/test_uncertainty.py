"""Scores of probabilities: their ends, and their values by hand."""

import numpy as np
import pytest
import torch

from georaster_dl.models.runtime.uncertainty import entropy, margin, mutual_information

SURE, EVEN = [1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]


@pytest.mark.parametrize("score", [margin, entropy])
def test_a_uniform_distribution_scores_1_and_a_certain_one_0(score):
    assert score(torch.tensor([EVEN, SURE]).T).tolist() == [1.0, 0.0]


def test_the_margin_is_that_of_the_two_likeliest():
    assert margin(torch.tensor([0.2, 0.5, 0.3]))[()].item() == pytest.approx(0.8)


def test_entropy_is_over_the_logarithm_of_the_number_of_classes():
    assert entropy(torch.tensor([0.5, 0.5, 0.0, 0.0])).item() == pytest.approx(0.5)


def test_a_single_class_is_certain():
    assert (margin(torch.ones(1, 3)).tolist(), entropy(torch.ones(1, 3)).tolist()) == ([0] * 3,) * 2


def test_passes_that_agree_have_no_mutual_information_however_uncertain_they_are():
    assert mutual_information(torch.tensor([EVEN, EVEN])).item() == pytest.approx(0, abs=1e-6)


def test_passes_that_are_each_certain_have_the_entropy_of_their_mean():
    passes = torch.eye(4)[[0, 1]]
    assert mutual_information(passes).item() == pytest.approx(0.5)


def test_scores_keep_the_axes_of_an_image():
    image = torch.from_numpy(
        np.random.default_rng(0).dirichlet(np.ones(3), (5, 7)).transpose(2, 0, 1)
    )
    assert margin(image).shape == entropy(image).shape == (5, 7)
    assert mutual_information(image[None]).shape == (5, 7)
