"""Predicted tables tell which spectra are unlike the calibration, and by what."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.events import no_report
from georaster_dl.spectra.methods.domain import UnlikeCalibration, nearly_all, unlike_calibration
from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.predict import predicted_table
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.columns import TableOptions
from tests.spectra.made import chemistry


def table(n, seed, change=lambda spectra: spectra):
    spectra, values = chemistry(n, 40, seed=seed)
    frame = pd.DataFrame({"fat": values[:, 0]})
    return SpectraTable("meat", np.linspace(1000, 1390, 40), change(spectra), frame)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "meat.safetensors"
    quick = Settings("savgol(5,2,1)", members=1, epochs=2)
    result = train_table(table(160, 0), path, "cnn1d", TableOptions(("fat",)), quick, no_report)
    return load_spectral_model(path), result.split


@pytest.fixture
def model(trained):
    return trained[0]


def test_a_trained_package_describes_its_preprocessed_training_spectra(trained):
    model, split = trained
    learnt = model.preprocessing.transform(table(160, 0).spectra[split.train])
    domain = model.card.domain
    assert domain.spectra == len(learnt)
    np.testing.assert_allclose(domain.mean, learnt.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(domain.deviations, learnt.std(axis=0, ddof=1), rtol=1e-6)


def test_columns_are_the_ratios_and_name_what_is_beyond_its_limit(model):
    def odd(spectra):
        spectra = spectra.copy()
        spectra[:3, 20] += 1.0
        return spectra

    fresh = table(60, 5, odd)
    predicted = predicted_table(model, fresh)
    expected = unlike_calibration(model.card.domain, model.preprocessing.transform(fresh.spectra))
    for name in ("T2", "Q", "leverage", "nn_distance"):
        np.testing.assert_array_equal(predicted.columns[f"{name}_reduced"], expected.ratios[name])
    flags = predicted.columns["unlike_calibration"]
    assert all("Q" in flag for flag in flags[:3])
    assert (flags[3:] == "").mean() > 0.85
    said = predicted.repairs[-1]
    assert said.startswith(f"meat: {expected.count} of 60 spectra are unlike the calibration (")
    assert f"Q {sum('Q' in flag for flag in flags)}" in said


def test_ordinary_spectra_bring_no_warning(model):
    ordinary = table(160, 0).rows(np.arange(160) % 50 == 0)
    assert not predicted_table(model, ordinary).repairs


def test_flags_join_the_names_of_what_is_beyond():
    ratios = {name: np.array(ratio) for name, ratio in (("T2", [2.0, 0.5]), ("Q", [1.5, 0.9]))}
    unlike = UnlikeCalibration(ratios)
    assert unlike.flags.tolist() == ["T2+Q", ""]
    assert unlike.text == "1 of 2 spectra is unlike the calibration (T2 1, Q 1)"


def test_where_nearly_all_are_unlike_the_measurement_is_what_differs(model):
    percent = predicted_table(model, table(20, 5, lambda spectra: -np.log10(spectra**2 + 0.01)))
    assert "20 of 20 spectra are unlike the calibration" in percent.repairs[-1]
    assert "absorbance against reflectance" in percent.repairs[-1]
    assert [nearly_all(*counts) for counts in ((18, 20), (17, 20), (1, 1), (2, 2))] == [
        True,
        False,
        False,
        True,
    ]
