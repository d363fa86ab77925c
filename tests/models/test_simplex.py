"""Projection onto fractions."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import create_model, describe_model, fitted_models
from georaster_dl.models.zoo.heads.simplex import Simplex, onto_simplex


def test_the_projection_is_the_nearest_point_of_the_simplex():
    values = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for one, found in zip(values.numpy(), onto_simplex(values, 1).numpy(), strict=True):
        nearest = minimize(
            lambda x, one=one: ((x - one) ** 2).sum(), np.full(4, 0.25), method="SLSQP", bounds=[(0, 1)] * 4,
            constraints={"type": "eq", "fun": lambda x: x.sum() - 1}, options={"ftol": 1e-14},
        ).x  # fmt: skip
        np.testing.assert_allclose(found, nearest, atol=1e-6)


def test_fractions_stay_and_far_points_become_corners():
    fractions = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(onto_simplex(fractions, 1), fractions)
    far = torch.tensor([[9.0, 1.0, -5.0]])
    torch.testing.assert_close(onto_simplex(far, 1), torch.tensor([[1.0, 0.0, 0.0]]))


def test_planes_of_images_are_projected_pixel_by_pixel():
    planes = torch.randn(2, 5, 3, 4)
    found = Simplex()(planes)
    torch.testing.assert_close(found[1, :, 2, 3], onto_simplex(planes[1, :, 2, 3], 0))
    assert (found.sum(1) - 1).abs().max() < 1e-6
    assert found.min() >= 0


@pytest.mark.parametrize("name", fitted_models())
def test_fitted_methods_have_the_head_but_no_distributions(name):
    assert describe_model(name)[1]["head"] == "plain"
    with pytest.raises(OptionError, match="no distributions for weights"):
        create_model(name, in_bands=4, n_classes=2, head="bayesian")


def test_a_fitted_network_with_the_head_gives_fractions():
    network = create_model("pls", in_bands=4, n_classes=3, head="fractions")
    network.coefficients.normal_()
    found = network(torch.randn(1, 4, 5, 5))
    assert (found.sum(1) - 1).abs().max() < 1e-6
    assert found.min() >= 0
