"""Pretraining of band attention: what is hidden stays hidden, bands come in any order and unit, trainings start from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import georaster_dl as gdl
from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.file import load_model
from georaster_dl.models.registry import create_model
from georaster_dl.spectra.pretraining.draws import Library
from georaster_dl.spectra.pretraining.run import PretrainOptions, pretrain
from georaster_dl.spectra.pretraining.sensors import draw_sensor
from georaster_dl.spectra.table.samples import SpectraTable, read_spectra
from georaster_dl.training.loop.transfer import initialise_from_package

NM = np.arange(400.0, 1400.0, 10)
"""Wavelengths of a library of 100 bands."""


def network(wavelengths, planes=5):
    torch.manual_seed(0)
    return create_model(
        "band_attention",
        in_bands=len(wavelengths),
        n_classes=planes,
        wavelengths_nm=tuple(wavelengths),
    ).eval()


def spectra(n, wavelengths=NM, seed=0):
    """Smooth reflectances between 0 and 1."""
    random = np.random.default_rng(seed)
    centres, widths = random.uniform(400, 1400, (n, 3, 1)), random.uniform(50, 300, (n, 3, 1))
    bumps = np.exp(-(((wavelengths - centres) / widths) ** 2)) * random.random((n, 3, 1))
    return 0.05 + 0.3 * bumps.sum(axis=1)


def library(n=150, wavelengths=NM):
    return read_spectra(
        pd.DataFrame(spectra(n, wavelengths), columns=[f"{nm:g} nm" for nm in wavelengths])
    )


@torch.no_grad()
def planes(model, values):
    return model(torch.as_tensor(values, dtype=torch.float32)[:, :, None, None])[:, :, 0, 0]


def test_bands_in_another_order_with_their_wavelengths_change_nothing():
    order = np.random.default_rng(1).permutation(len(NM))
    values = spectra(4)
    mixed = network(NM[order])
    torch.testing.assert_close(
        planes(mixed, values[:, order]), planes(network(NM), values), rtol=0, atol=1e-5
    )


def test_without_a_band_the_weights_give_what_a_network_made_without_it_gives():
    whole, fewer = network(NM), network(np.delete(NM, 20))
    fewer.load_state_dict(whole.state_dict())
    values = torch.from_numpy(np.delete(spectra(4), 20, axis=1)).float()
    told = whole.of_bands(values, np.delete(NM, 20).tolist())
    torch.testing.assert_close(told, planes(fewer, values))
    assert not torch.allclose(told, whole.of_bands(values, NM[:-1].tolist()), atol=1e-4)


def test_hidden_windows_have_no_part_in_the_prediction():
    model, values = network(NM), torch.from_numpy(spectra(4)).float()
    shown = torch.tensor([True, False, True, False, False, True, True])
    hidden = ~shown.repeat_interleave(16)[: len(NM)]
    other = values.clone()
    other[:, hidden] = 1e4
    with torch.no_grad():
        before, after = (model.of_bands(each, NM.tolist(), shown) for each in (values, other))
        assert torch.equal(before, after)
        assert not torch.allclose(before, model.of_bands(values, NM.tolist()))


def test_micrometres_are_the_same_bands_as_nanometres():
    values = spectra(3)
    micrometres = read_spectra(pd.DataFrame(values, columns=[f"{nm / 1000:.3f} um" for nm in NM]))
    torch.testing.assert_close(
        planes(network(micrometres.wavelengths_nm.tolist()), micrometres.spectra),
        planes(network(NM), values),
    )


def test_draws_hide_half_to_three_quarters_of_the_windows_and_ask_for_what_was_not_shown():
    drawn = Library(spectra(200), NM, window=16, reflectances=True, seed=0)
    random = np.random.default_rng(0)
    for _ in range(20):
        draw = drawn.draw(32, random)
        seen = draw.wavelengths_nm[np.repeat(draw.shown, 16)[: len(draw.wavelengths_nm)]]
        assert 0 < draw.shown.sum() <= -(-len(draw.shown) // 2)
        assert draw.hidden.any()
        # No band that is asked for lies at one that was shown.
        assert np.abs(NM[draw.hidden][:, None] - seen).min() >= 10
        np.testing.assert_allclose(draw.targets.mean(axis=0), 0, atol=1e-9)


def test_random_sensors_stay_within_the_library():
    random = np.random.default_rng(0)
    for _ in range(50):
        sensor = draw_sensor(NM, 32, random)
        assert NM[0] <= sensor.wavelengths_nm[0] < sensor.wavelengths_nm[-1] <= NM[-1]
        assert len(sensor.wavelengths_nm) >= 32
        np.testing.assert_allclose(sensor.weights.sum(axis=1), 1)


@pytest.mark.slow
def test_a_pretraining_is_repeatable_and_trainings_of_other_bands_start_from_it(tmp_path):
    options = PretrainOptions(steps=10, batch=16, device="cpu")
    made = [
        pretrain([library()], tmp_path / f"{name}.safetensors", options, lambda _: None)
        for name in "ab"
    ]
    assert made[0].card.weights_sha256 == made[1].card.weights_sha256
    assert made[0].spectra == 135
    frame = pd.DataFrame(spectra(40, NM[5::2], 3), columns=[f"{nm:g} nm" for nm in NM[5::2]])
    classes = np.where(frame.iloc[:, 10] > frame.iloc[:, 10].median(), "bright", "dark")
    trained = gdl.train_spectra(
        frame.assign(kind=classes), class_column="kind", init=tmp_path / "a.safetensors",
        out=tmp_path / "kind.safetensors", epochs=1, members=1, folds=2, report=lambda _: None,
    )  # fmt: skip
    assert trained.methods[0].method == "band-attention"
    with pytest.raises(OptionError, match="cnn1d cannot start"):
        gdl.train_spectra(
            frame.assign(kind=classes), class_column="kind", init=tmp_path / "a.safetensors",
            method="cnn1d", out=tmp_path / "other.safetensors", report=lambda _: None,
        )  # fmt: skip


def test_a_start_gives_all_weights_but_those_of_the_last_layer(tmp_path):
    from georaster_dl.spectra.network.start import start_from

    pretrain([library()], tmp_path / "a.safetensors", PretrainOptions(steps=10, batch=16, device="cpu"), lambda _: None)  # fmt: skip
    own = network(NM[:40], planes=3)
    head = own.segmentation_head[0].weight.clone()
    start_from(own, str(tmp_path / "a.safetensors"))
    source = load_model(tmp_path / "a.safetensors")[1].state_dict()
    for name, weights in own.state_dict().items():
        if name.startswith("segmentation_head"):
            continue
        assert torch.equal(weights, source[name]), name
    assert torch.equal(own.segmentation_head[0].weight, head)


def test_few_spectra_are_refused(tmp_path):
    with pytest.raises(OptionError, match="pretraining needs 100"):
        pretrain([library(50)], tmp_path / "a.safetensors", PretrainOptions(), lambda _: None)


def test_libraries_of_other_wavelengths_are_brought_to_the_first(tmp_path):
    said = []
    first, second = library(), library(60, np.arange(395.0, 1410.0, 5))
    made = pretrain(
        [first, second], tmp_path / "a.safetensors", PretrainOptions(steps=10, batch=16, device="cpu"), said.append
    )  # fmt: skip
    assert made.spectra == 189
    assert any("resampled" in getattr(event, "message", "") for event in said)
    assert isinstance(first, SpectraTable)


def test_a_network_of_scenes_of_other_bands_starts_from_it(tmp_path):
    pretrain(
        [library()], tmp_path / "a.safetensors", PretrainOptions(steps=10, batch=16, device="cpu"), lambda _: None
    )  # fmt: skip
    bands = [Band(f"B{i}", nm) for i, nm in enumerate((490.0, 560.0, 665.0, 842.0, 1240.0))]
    own = network([band.wavelength_nm for band in bands], planes=2)
    lines = initialise_from_package(own, bands, ["water", "land"], tmp_path / "a.safetensors")
    assert "of the encoder 38 of 38" in lines[0]
    assert "classes from random weights: water, land" in lines[-1]
