"""A model of one instrument on another: against direct algebra, and on simulated instruments."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cross_decomposition import PLSRegression

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.package.file import (
    Metadata,
    load_spectral_model,
    save_spectral_model,
)
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.transfer.standardise import fit_direct, fit_piecewise
from georaster_dl.spectra.transfer.transfer import transfer_model

BANDS = 80
AXIS = np.linspace(1100, 1890, BANDS)


def samples(n, seed):
    """Absorbances (n, bands) of three constituents, of which the first is measured, and its values (n,)."""
    generator = np.random.default_rng(seed)
    centres = np.array([1250.0, 1450.0, 1700.0])
    pure = np.exp(-(((AXIS - centres[:, None]) / 80) ** 2)) + 0.2
    shares = generator.uniform(0.2, 1, (n, 3))
    return shares @ pure + generator.normal(0, 5e-4, (n, BANDS)), 10 * shares[:, 0]


def other_instrument(spectra, seed=1):
    """The same samples with wavelengths moved by 6 nm, another gain and offset by band, and noise of its own."""
    moved = np.stack([np.interp(AXIS + 6, AXIS, each) for each in spectra])
    gain = 1.05 + 0.05 * np.sin(np.arange(BANDS) / 12)
    noise = np.random.default_rng(seed).normal(0, 5e-4, moved.shape)
    return moved * gain + 0.03 * np.linspace(0, 1, BANDS) + noise


def table(spectra, values, name="instrument", **columns):
    return SpectraTable(name, AXIS, spectra, pd.DataFrame({"fat": values, **columns}))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    spectra, values = samples(150, 0)
    fitted = FittedMethod.fit(
        "pls", spectra, values[:, None], AXIS, [{"n_components": 5}], preprocessing="savgol(5,2,1)"
    )
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    target = Target("fat", "%", interval=Interval(0.9, 1.6, 0.1))
    save_spectral_model(path, fitted, Metadata((target,), metrics={"RMSEP fat, test": 0.1}))
    return path


def rmsep(path, spectra, values):
    return float(np.sqrt(np.mean((load_spectral_model(path).predict(spectra)[:, 0] - values) ** 2)))


def test_direct_standardisation_is_least_squares_of_centred_spectra():
    generator = np.random.default_rng(0)
    secondary, primary = generator.normal(size=(2, 40, 12))
    found = fit_direct(secondary, primary).transform(secondary)
    design = np.column_stack([np.ones(40), secondary])
    expected = design @ np.linalg.lstsq(design, primary)[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_piecewise_standardisation_is_a_pls_of_each_window():
    spectra, _ = samples(30, 2)
    secondary = other_instrument(spectra)
    found = fit_piecewise(secondary, spectra, 3).transform(secondary)
    for band in (0, 1, 40, 79):
        around = secondary[:, max(0, band - 3) : band + 4]
        expected = PLSRegression(2, scale=False).fit(around, spectra[:, band]).predict(around)
        np.testing.assert_allclose(found[:, band], expected.ravel(), atol=1e-6)


@pytest.mark.parametrize("method", ["slope-bias", "ds", "pds"])
def test_each_lowers_the_error_on_samples_that_it_never_saw(model, tmp_path, method):
    spectra, values = samples(30, 2)
    fresh, wanted = samples(200, 3)
    path, secondary = tmp_path / "new.safetensors", other_instrument(spectra)
    primary = None if method == "slope-bias" else table(spectra, values)
    found = transfer_model(model, path, method, table(secondary, values), primary)
    after = rmsep(path, other_instrument(fresh, 2), wanted)
    assert after < 0.5 * rmsep(model, other_instrument(fresh, 2), wanted)
    before, told = found.errors["fat"]
    assert told < 0.5 * before
    if method == "slope-bias":
        assert told == pytest.approx(after, rel=0.4)


def test_slope_and_bias_are_those_of_a_line_through_measured_values(model, tmp_path):
    spectra, values = samples(25, 2)
    secondary, path = other_instrument(spectra), tmp_path / "new.safetensors"
    found = transfer_model(model, path, "slope-bias", table(secondary, values))
    predicted = load_spectral_model(model).predict(secondary)[:, 0]
    line = np.polyfit(predicted, values, 1)
    np.testing.assert_allclose(
        load_spectral_model(path).predict(secondary)[:, 0], np.polyval(line, predicted), rtol=1e-9
    )
    left = []
    for i in range(25):
        rest = np.arange(25) != i
        left.append(
            values[i] - np.polyval(np.polyfit(predicted[rest], values[rest], 1), predicted[i])
        )
    assert found.errors["fat"][1] == pytest.approx(np.sqrt(np.mean(np.square(left))), rel=1e-6)


def test_the_card_says_so_and_has_no_intervals(model, tmp_path):
    spectra, values = samples(30, 2)
    path = tmp_path / "New one.safetensors"
    secondary = table(other_instrument(spectra), values)
    card = transfer_model(model, path, "pds", secondary, table(spectra, values)).card
    assert card == load_spectral_model(path).card
    assert card.name == "new-one"
    assert card.preprocessing.steps == "pds(5),savgol(5,2,1)"
    assert card.targets[0].interval is None
    assert card.limitations.startswith("Transferred to another instrument (pds by 30 samples")
    assert card.training["transfer"] == "pds by 30 samples on both instruments"


def test_samples_are_found_by_name_and_their_scans_averaged(model, tmp_path):
    spectra, values = samples(30, 2)
    names = [f"s{i}" for i in range(30)]
    order = np.random.default_rng(0).permutation(30)
    twice = np.repeat(order, 2)
    secondary = other_instrument(spectra)
    first = transfer_model(
        model, tmp_path / "a.safetensors", "ds",
        table(secondary, values, sample=names), table(spectra, values, sample=names),
        id_column="sample",
    )  # fmt: skip
    second = transfer_model(
        model, tmp_path / "b.safetensors", "ds",
        table(secondary[twice], values[twice], sample=[names[i] for i in twice]),
        table(spectra[:25], values[:25], sample=names[:25]),
        id_column="sample",
    )  # fmt: skip
    assert (first.samples, second.samples) == (30, 25)
    assert second.errors["fat"][1] < 0.5 * second.errors["fat"][0]


def test_classes_are_transferred_too(tmp_path):
    spectra, values = samples(150, 0)
    names = np.where(values > 6, "rich", "poor").astype(object)
    fitted = FittedMethod.fit("pls", spectra, names, AXIS, [{"n_components": 3}])
    save_spectral_model(tmp_path / "k.safetensors", fitted, Metadata())
    few, _ = samples(40, 2)
    path = tmp_path / "new.safetensors"
    secondary = table(other_instrument(few), np.zeros(40))
    found = transfer_model(
        tmp_path / "k.safetensors", path, "pds", secondary, table(few, np.zeros(40))
    )
    assert found.errors["class"][1] < 0.1 < found.errors["class"][0]
    fresh, wanted = samples(200, 3)
    right = load_spectral_model(path).predict(other_instrument(fresh)) == np.where(
        wanted > 6, "rich", "poor"
    )
    assert right.mean() > 0.8
    with pytest.raises(OptionError, match="slope-bias corrects values"):
        transfer_model(tmp_path / "k.safetensors", path, "slope-bias", secondary)


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("ds", {}, "ds needs the same samples on both instruments"),
        ("slope-bias", {"primary": 30}, "not with `primary=`"),
        ("pds", {"primary": 29}, "has 29 spectra and instrument 30.*`id_column=`"),
        ("pds", {"primary": 30, "window": 26}, "`window=` is 1 to 25"),
    ],
)
def test_what_is_missing_is_said(model, tmp_path, method, options, said):
    spectra, values = samples(30, 2)
    if n := options.pop("primary", 0):
        options["primary"] = table(spectra[:n], values[:n])
    path = tmp_path / "new.safetensors"
    with pytest.raises(OptionError, match=said):
        transfer_model(model, path, method, table(spectra, values), **options)
    assert not path.exists()


def test_too_few_samples_and_predictions_the_wrong_way_round_are_refused(model, tmp_path):
    spectra, values = samples(30, 2)
    path = tmp_path / "new.safetensors"
    with pytest.raises(OptionError, match="4 samples in common, but at least 5"):
        transfer_model(
            model, path, "pds", table(spectra[:4], values[:4]), table(spectra[:4], values[:4])
        )
    with pytest.raises(OptionError, match="4 measured values of 'fat'"):
        transfer_model(model, path, "slope-bias", table(spectra[:4], values[:4]))
    with pytest.raises(OptionError, match="do not follow its measured values"):
        transfer_model(model, path, "slope-bias", table(spectra, -values))


def test_no_training_alone_can_learn_a_standardisation():
    with pytest.raises(OptionError, match="same samples on two instruments"):
        Preprocessing("pds(5)").fit(samples(10, 0)[0])
