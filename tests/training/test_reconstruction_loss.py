"""The loss of an autoencoder, against its definition."""

import numpy as np
import pytest
import torch

from georaster_dl.training.loop.reconstruction_loss import build_reconstruction_loss, spectral_angle

MEAN, STD = np.array([0.1, 0.2, 0.3]), np.array([0.05, 0.04, 0.1])


def bands(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*(shape or (2, 3, 5, 7)), generator=generator)


def physical(values):
    return values.double().numpy() * STD[:, None, None] + MEAN[:, None, None]


def test_mse_is_the_mean_square_error():
    loss = build_reconstruction_loss("mse", MEAN, STD)
    expected = ((bands(0) - bands(1)) ** 2).mean()
    torch.testing.assert_close(loss(bands(0), bands(1)), expected)


def test_sam_adds_the_angle_between_physical_spectra():
    x, y = physical(bands(0)), physical(bands(1))
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    angle = np.arccos((x * y).sum(axis=1) / lengths).mean()
    with_angle, without = (
        build_reconstruction_loss(name, MEAN, STD)(bands(0), bands(1)) for name in ("sam", "mse")
    )
    assert float(with_angle - without) == pytest.approx(angle, rel=1e-5)


def test_brightness_has_no_angle_and_alike_spectra_a_finite_slope():
    spectra = bands(2, 50, 3).abs() + 0.1
    assert spectral_angle(spectra, 2 * spectra).abs().max() < 1e-6
    given = spectra.clone().requires_grad_()
    spectral_angle(given, spectra).sum().backward()
    assert given.grad.isfinite().all()
    nought = torch.zeros(2, 3, requires_grad=True)
    spectral_angle(nought, spectra[:2]).sum().backward()
    assert nought.grad.isfinite().all()


@pytest.mark.parametrize("name", ["mse", "sam"])
def test_pixels_that_are_not_valid_count_nothing(name):
    loss = build_reconstruction_loss(name, MEAN, STD)
    target = bands(1)
    target[:, :, 1:3] = torch.nan
    output = bands(0).requires_grad_()
    value = loss(output, target)
    value.backward()
    assert not output.grad[:, :, 1:3].any()
    assert output.grad[:, :, 3:].all()
    kept = [0, 3, 4]
    torch.testing.assert_close(value, loss(bands(0)[:, :, kept], target[:, :, kept]))
    nothing = loss(output, torch.full_like(target, torch.nan))
    assert float(nothing.detach()) == 0
    nothing.backward()


def test_bands_of_a_pixel_can_be_targets_alone():
    """As masked bands are in pixels that are seen."""
    target = bands(1)
    target[:, 0] = torch.nan
    expected = ((bands(0) - bands(1))[:, 1:] ** 2).mean()
    for name in ("mse", "sam"):  # no pixel has all bands, so there is no angle
        torch.testing.assert_close(
            build_reconstruction_loss(name, MEAN, STD)(bands(0), target), expected
        )
