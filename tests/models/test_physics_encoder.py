"""The encoder whose decoder is PROSPECT: bounds, steps, what it refuses."""

import numpy as np
import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import create_model
from georaster_dl.models.zoo.physics.encoder import modelled_bands

LENGTHS = tuple(np.arange(1300.0, 2401, 20).tolist())


def encoder(steps=0, traits="n,cw,cm,offset", planes=4):
    torch.manual_seed(0)
    made = create_model(
        "prospect",
        in_bands=len(LENGTHS),
        n_classes=planes,
        wavelengths_nm=LENGTHS,
        traits=traits,
        steps=steps,
    )
    made.readout.copy_(torch.eye(4)[:planes])
    made.mean.fill_(0.2)
    made.std.fill_(0.05)
    return made.eval()


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_outputs_are_within_the_bounds_of_the_traits_for_any_input(steps, size):
    network = encoder(steps)
    with torch.inference_mode():
        planes = network(size * torch.randn(1, len(LENGTHS), 4, 5))
    assert planes.shape == (1, 4, 4, 5)
    for trait, plane in zip(network.decoder.traits, planes[0], strict=True):
        assert plane.min() >= np.float32(trait.low) - 1e-6
        assert plane.max() <= np.float32(trait.high) + 1e-6


def test_only_the_encoder_has_weights():
    network = encoder()
    assert not list(network.decoder.parameters())
    assert {name.split(".")[0] for name, _ in network.named_parameters()} == {"encoder"}


def test_steps_lead_to_the_spectrum_that_is_explained():
    law = encoder().decoder
    leaf = torch.tensor([[1.4, 0.012, 0.006, 0.01]], dtype=torch.float64)
    spectrum = (law.double()(leaf) - 0.2) / 0.05
    with torch.inference_mode():
        found = encoder(steps=30)(spectrum.float()[:, :, None, None])
    assert found[0, 1].item() == pytest.approx(0.012, rel=0.05)


def test_a_pixel_does_not_depend_on_the_others():
    network = encoder(steps=3)
    image = torch.randn(1, len(LENGTHS), 3, 3)
    with torch.inference_mode():
        torch.testing.assert_close(network(image)[..., :1, :1], network(image[..., :1, :1]))


def test_at_most_128_bands_are_modelled_evenly_apart():
    assert modelled_bands(100) == list(range(100))
    assert len(modelled_bands(1101)) == 123
    assert set(np.diff(modelled_bands(1101))) == {9}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"wavelengths_nm": None}, "needs the wavelength of every band"),
        ({"traits": "n,lai"}, "A leaf has the traits"),
        ({"traits": 3}, "takes names of traits"),
        ({"steps": -1}, "0 to 100 steps"),
    ],
)
def test_what_the_architecture_refuses(more, message):
    given = {"wavelengths_nm": LENGTHS, "traits": "n,cw", **more}
    with pytest.raises(OptionError, match=message):
        create_model("prospect", in_bands=len(LENGTHS), n_classes=1, **given)
