"""Training through PROSPECT: traits without labels, calibrated by few, and as a package."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Warned
from georaster_dl.models.package.file import read_card
from georaster_dl.models.radiative_transfer.inversion import LogisticSpace
from georaster_dl.models.radiative_transfer.leaf import LeafReflectance
from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.physics.calibrate import line_through
from georaster_dl.spectra.physics.columns import trait_of
from georaster_dl.spectra.physics.model import TraitModel
from georaster_dl.spectra.physics.train import train_physics
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.table.samples import SpectraOptions, read_spectra
from georaster_dl.spectra.training.columns import TableOptions

SWIR = np.arange(1300.0, 2401, 50)
FEW = Settings(epochs=6)


def quiet(_event):
    pass


def simulated(count, seed=0, noise=0.0):
    """Spectra (count, bands) and traits (count, 4) of leaves by PROSPECT."""
    law = LeafReflectance(SWIR, ("n", "cw", "cm", "offset"))
    space, random = LogisticSpace(law), torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, 4, generator=random, dtype=torch.float64)
    traits = space.values(space.mean + 0.7 * space.sd * drawn)
    spectra = law(traits)
    spectra = spectra + noise * torch.randn(spectra.shape, generator=random, dtype=torch.float64)
    return spectra.numpy(), traits.numpy()


@pytest.fixture(scope="module")
def leaves():
    spectra, traits = simulated(60, noise=0.002)
    frame = pd.DataFrame(spectra, columns=[f"{nm:g} nm" for nm in SWIR])
    columns = {"EWT_g_m2": traits[:, 1] * 1e4, "LMA_g_m2": traits[:, 2] * 1e4 + 12}
    return read_spectra(frame.assign(**columns), SpectraOptions())


@pytest.mark.slow
def test_leaves_of_the_same_law_are_inverted():
    """Held-out simulations without noise, by an encoder that saw others."""
    model = TraitModel.fit(simulated(60)[0], SWIR, gain=False, epochs=6)
    spectra, true = simulated(80, seed=1)
    found = model.values(spectra)
    assert np.corrcoef(found[:, 1], true[:, 1])[0, 1] ** 2 > 0.95


@pytest.mark.slow
def test_the_encoder_alone_inverts_leaves_of_the_same_law():
    model = TraitModel.fit(simulated(100)[0], SWIR, gain=False, epochs=60)
    model.network.steps = 0
    spectra, true = simulated(80, seed=1)
    found = model.values(spectra)
    assert np.corrcoef(found[:, 1], true[:, 1])[0, 1] ** 2 > 0.95


@pytest.mark.slow
def test_training_is_repeatable_and_leaves_the_users_random_numbers():
    spectra, _ = simulated(20)
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    one, other = (TraitModel.fit(spectra, SWIR, gain=True, epochs=2, seed=3) for _ in range(2))
    assert torch.rand(1) == before
    np.testing.assert_array_equal(one.values(spectra), other.values(spectra))


@pytest.mark.slow
def test_traits_without_labels_become_a_package(leaves, tmp_path):
    path = tmp_path / "leaf.safetensors"
    trained = train_physics(leaves, path, "prospect", TableOptions(), FEW, quiet)
    card = read_card(path)
    assert [(t.name, t.unit, t.interval) for t in card.targets] == [
        ("n", "", None), ("ewt", "g/m2", None), ("lma", "g/m2", None),
    ]  # fmt: skip
    assert card.metrics["misfit"] == pytest.approx(trained.misfit, abs=1e-6)
    assert "without any label" in card.limitations
    predicted = load_spectral_model(path).predict(leaves.spectra)
    np.testing.assert_allclose(predicted[:, 1], trained.values["ewt"], rtol=1e-4)
    true = leaves.target("EWT_g_m2")
    assert np.corrcoef(predicted[:, 1], true)[0, 1] ** 2 > 0.9


@pytest.mark.slow
def test_labels_calibrate_by_a_line_beside_pls(leaves, tmp_path):
    path = tmp_path / "leaf.safetensors"
    options = TableOptions(targets=("LMA_g_m2", "EWT_g_m2"))
    trained = train_physics(leaves, path, "prospect", options, FEW, quiet)
    assert [tried.method for tried in trained.methods] == ["prospect", "pls"]
    card = read_card(path)
    assert [t.name for t in card.targets] == ["LMA_g_m2", "EWT_g_m2"]
    assert all(t.interval is not None for t in card.targets)
    assert "* lma +" in card.training["calibration, LMA_g_m2"]
    predicted = load_spectral_model(path).predict(leaves.spectra)
    np.testing.assert_allclose(predicted, trained.kept.predicted, rtol=1e-3)
    # The measured dry matter is 12 more than the law's: a line takes that up.
    assert abs(trained.kept.tested["LMA_g_m2"].bias) < 5


@pytest.mark.slow
def test_rows_without_a_label_teach_the_encoder(leaves, tmp_path):
    columns = leaves.columns.copy()
    columns.loc[30:, "EWT_g_m2"] = np.nan
    options = TableOptions(targets=("EWT_g_m2",))
    trained = train_physics(
        replace(leaves, columns=columns),
        tmp_path / "m.safetensors",
        "prospect",
        options,
        FEW,
        quiet,
    )
    assert trained.split.learnt.sum() + trained.split.test.sum() == 30


@pytest.mark.slow
def test_percent_are_warned_of_and_give_the_same_traits(leaves, tmp_path):
    said = []
    of_percent = replace(leaves, spectra=leaves.spectra * 100)
    trained, percent = (
        train_physics(table, tmp_path / name, "prospect", TableOptions(), FEW, said.append)
        for table, name in ((leaves, "a.safetensors"), (of_percent, "b.safetensors"))
    )
    assert any("taken for percent" in str(e) for e in said if isinstance(e, Warned))
    np.testing.assert_allclose(percent.values["ewt"], trained.values["ewt"], rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "settings", "factor", "message"),
    [
        ({"class_column": "EWT_g_m2"}, {}, 1, "asks for classes"),
        ({}, {"preprocessing": "snv"}, 1, "preprocess=snv"),
        ({}, {}, 10_000, "convert them to reflectance"),
        ({"targets": ("EWT_g_m2",)}, {}, -1, "convert them to reflectance"),
    ],
)
def test_what_the_training_refuses(leaves, tmp_path, options, settings, factor, message):
    table = replace(leaves, spectra=leaves.spectra * factor)
    path = tmp_path / "m.safetensors"
    with pytest.raises(OptionError, match=message):
        train_physics(table, path, "prospect", TableOptions(**options), Settings(**settings), quiet)
    assert not path.exists()


@pytest.mark.parametrize(
    ("column", "trait"),
    [
        ("LMA_g_m2", "cm"),
        ("leaf mass per area", "cm"),
        ("H20_g_m2", "cw"),
        ("EWT", "cw"),
        ("Water.content", "cw"),
        ("Chl_a_b", "cab"),
        ("carotenoids", "car"),
    ],
)
def test_a_column_is_known_by_its_name(column, trait):
    assert trait_of(column, ("n", "cab", "car", "cw", "cm")) == trait


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("N_g_m2", "names no trait of a leaf"),
        ("water_lma_ratio", "names several traits"),
        ("Chl", "these wavelengths tell nothing"),
    ],
)
def test_columns_of_other_things_are_refused(column, message):
    with pytest.raises(OptionError, match=message):
        trait_of(column, ("n", "cw", "cm"))


def test_a_line_goes_through_known_labels():
    assert line_through(np.array([1.0, 2, 3]), np.array([3.0, 5, np.nan])) == pytest.approx((2, 1))
    assert line_through(np.ones(3), np.array([1.0, 2, 3])) == (0, 2)


@pytest.mark.realdata
@pytest.mark.slow
def test_water_of_leaves_is_found_without_labels(real_data, tmp_path):
    table = read_spectra([real_data / "physics_leaf" / "ely_plsr_data.csv"], SpectraOptions())
    path = tmp_path / "leaf.safetensors"
    found = train_physics(table, path, "prospect", TableOptions(), Settings(), quiet).values["ewt"]
    water = table.target("H20_g_m2")
    assert 1 - np.square(found - water).sum() / np.square(water - water.mean()).sum() >= 0.65
