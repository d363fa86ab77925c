"""Networks of fractions: planes on the simplex, members kept, and members that are never negative."""

import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import (
    create_model,
    fitted_models,
    list_models,
)


def members_of(count=3, bands=12):
    torch.manual_seed(0)
    return 0.1 + 0.5 * torch.rand(count, bands)


def linear(shade=False):
    network = create_model("linear_mixing", in_bands=12, n_classes=3, shade=shade)
    network.members.copy_(members_of())
    network.mean.fill_(0.3)
    network.std.fill_(0.2)
    return network.eval()


def image_of(fractions):
    """Normalised image of fractions (rows, cols, members)."""
    return ((fractions @ members_of() - 0.3) / 0.2).permute(2, 0, 1)[None]


def shares(rows=5, cols=7):
    return torch.distributions.Dirichlet(torch.ones(3)).sample((rows, cols))


def test_linear_mixing_finds_the_fractions_of_normalised_images():
    fractions = shares()
    found = linear()(image_of(fractions))
    assert found.dtype == torch.float32
    assert (found[0] - fractions.permute(2, 0, 1)).abs().max() < 1e-4


def test_black_takes_part_with_shade_and_the_rest_sums_to_1():
    fractions = shares()
    darker = ((0.4 * fractions @ members_of() - 0.3) / 0.2).permute(2, 0, 1)[None]
    found = linear(shade=True)(darker)
    assert (found[0] - fractions.permute(2, 0, 1)).abs().max() < 1e-3
    assert (linear()(darker)[0] - fractions.permute(2, 0, 1)).abs().max() > 0.05


def test_a_black_pixel_has_equal_fractions_with_shade():
    black = torch.full((1, 12, 1, 1), (0 - 0.3) / 0.2)
    assert torch.allclose(linear(shade=True)(black), torch.full((1, 3, 1, 1), 1 / 3))


def test_the_error_is_what_the_members_leave():
    pixels = image_of(shares())[0].flatten(1).T.double()
    assert linear().mixtures(pixels)[1].max() < 1e-6
    above = pixels + 5.0  # of 0.2 in each band
    fractions, rmse = linear().mixtures(above)
    left = above * 0.2 + 0.3 - fractions @ members_of().double()
    assert torch.allclose(rmse, left.square().mean(1).sqrt(), atol=1e-6)


@pytest.mark.parametrize(("shade", "most"), [(False, 5), (True, 4)])
def test_more_members_than_bands_tell_apart_are_refused(shade, most):
    create_model("linear_mixing", in_bands=4, n_classes=most, shade=shade)
    with pytest.raises(OptionError, match=f"at most {most} members"):
        create_model("linear_mixing", in_bands=4, n_classes=most + 1, shade=shade)


@pytest.mark.parametrize("name", ["linear_mixing", "unmix_ae"])
def test_an_option_of_another_kind_is_refused(name):
    option = {"linear_mixing": "shade", "unmix_ae": "bilinear"}[name]
    with pytest.raises(OptionError, match="true or false"):
        create_model(name, in_bands=4, n_classes=2, **{option: 1})


def test_they_are_listed_as_fitted_and_not_as_networks_to_train():
    assert fitted_models(to="scenes") == ["linear_mixing", "unmix_ae"]
    assert not set(fitted_models(to="scenes")) & set(list_models())


def autoencoder(**options):
    torch.manual_seed(1)
    network = create_model("unmix_ae", in_bands=12, n_classes=3, **options)
    network.start_from(members_of())
    return network


def test_the_decoder_starts_from_the_members_and_mixes_them():
    network = autoencoder()
    assert torch.allclose(network.members, members_of(), atol=1e-5)
    fractions, mixed = network.mixtures(torch.randn(2, 12, 4, 5))
    assert torch.allclose(
        mixed, torch.einsum("nkrc,kb->nbrc", fractions, network.members), atol=1e-6
    )


def test_members_of_large_numbers_are_kept():
    network = create_model("unmix_ae", in_bands=12, n_classes=3)
    network.start_from(members_of() * 1e4)
    assert torch.allclose(network.members, members_of() * 1e4, rtol=1e-4)


def test_members_stay_above_0_after_steps_that_push_them_below():
    network = autoencoder()
    optimiser = torch.optim.SGD(network.parameters(), lr=10.0)
    for _ in range(5):
        optimiser.zero_grad()
        network.mixtures(torch.randn(1, 12, 4, 4))[1].mean().backward()
        optimiser.step()
    assert (network.members >= 0).all()


def test_fractions_of_the_autoencoder_are_on_the_simplex_and_turn_with_the_scene():
    network, image = autoencoder().eval(), torch.randn(1, 12, 6, 9)
    fractions = network(image)
    assert (fractions >= 0).all()
    assert torch.allclose(fractions.sum(1), torch.ones(1, 6, 9), atol=1e-6)
    turned = network(image.rot90(1, (2, 3)))
    assert torch.allclose(turned, fractions.rot90(1, (2, 3)), atol=1e-6)


def test_the_order_of_members_orders_the_planes():
    network, order = autoencoder().eval(), [2, 0, 1]
    image = torch.randn(1, 12, 3, 3)
    before = network(image)
    with torch.no_grad():
        network.encoder[-1].weight.copy_(network.encoder[-1].weight[order].clone())
        network.encoder[-1].bias.copy_(network.encoder[-1].bias[order].clone())
    assert torch.allclose(network(image), before[:, order], atol=1e-6)


def test_pairs_of_members_add_light_in_a_bilinear_mixture():
    network = autoencoder(bilinear=True)
    fractions, mixed = network.mixtures(torch.randn(1, 12, 4, 4))
    straight = torch.einsum("nkrc,kb->nbrc", fractions, network.members)
    assert (mixed >= straight - 1e-6).all()
    assert (mixed - straight).max() > 1e-4
    assert fractions.shape[1] == 3
