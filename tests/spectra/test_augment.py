"""Spectra are varied as strongly as asked for, and no more."""

import pytest
import torch

from georaster_dl.spectra.network.augment import SpectralAugmentation

LINE = torch.arange(50.0, dtype=torch.float64).expand(4000, 50) - 20
BANDS = torch.linspace(-1, 1, 50, dtype=torch.float64)


def _varied(spectra=LINE, *, spread=2.0, **strengths):
    return SpectralAugmentation(**strengths).apply(
        spectra, spread, torch.Generator().manual_seed(0)
    )


def test_nothing_asked_nothing_done():
    assert torch.equal(_varied(), LINE)
    torch.testing.assert_close(_varied(shift=1e-12), LINE, rtol=0, atol=1e-10)


def test_offset_and_slope():
    negative = -LINE.abs() - 100
    offset = _varied(negative, offset=0.5) - negative
    torch.testing.assert_close(offset, offset[:, :1].expand_as(offset))
    assert offset[:, 0].std().item() == pytest.approx(1, rel=0.05)
    slope = _varied(negative, slope=0.5) - negative
    torch.testing.assert_close(slope, slope[:, -1:] * BANDS)
    assert slope[:, -1].std().item() == pytest.approx(1, rel=0.05)


def test_noise_and_factor():
    negative = -LINE.abs() - 100
    noise = _varied(negative, noise=0.5) - negative
    assert noise.std().item() == pytest.approx(1, rel=0.05)
    factor = _varied(negative, multiplicative=0.1) / negative
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor))
    assert factor[:, 0].std().item() == pytest.approx(0.1, rel=0.05)


def test_shift_of_a_straight_line():
    line = LINE - 100
    moved = (_varied(line, shift=1.5) - line)[:, 2:-2]
    torch.testing.assert_close(moved, moved[:, :1].expand_as(moved))
    assert moved.abs().max().item() == pytest.approx(1.5, rel=0.01)
    assert moved.mean().item() == pytest.approx(0, abs=0.05)
    one = torch.ones(3, 1)
    assert torch.equal(_varied(one, shift=1.0), one)


def test_what_is_positive_stays_positive():
    spectra = torch.rand(500, 20) + 1e-3
    assert (_varied(spectra, noise=5, offset=5) > 0).all()


def test_the_usual_strengths():
    assert SpectralAugmentation.of(False) is None
    assert SpectralAugmentation.of(True) != SpectralAugmentation()
    assert SpectralAugmentation.of({"noise": 0.1}) == SpectralAugmentation(noise=0.1)
