"""The published splits of real sets, near the figures that others got on them."""

import numpy as np
import pytest

from georaster_dl.models.package.values import Target
from georaster_dl.spectra.methods.domain import fit_domain, unlike_calibration
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.methods.tuning import tune
from georaster_dl.spectra.package.file import Metadata, load_spectral_model, save_spectral_model
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.scoring.folds import parts_by_column
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.table.samples import read_spectra
from georaster_dl.tiling.split_blocks import TEST, TRAIN

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

TREATED = "snv,savgol(15,2,1)"


def halves(folder, name, column):
    table = read_spectra([folder / "nir" / f"{name}_X.csv", folder / "nir" / f"{name}_Y.csv"])
    part = parts_by_column(table, column)
    return table.rows(part == TRAIN), table.rows(part == TEST)


@pytest.mark.parametrize(
    ("name", "column", "target", "steps", "pls", "local"),
    [
        ("forages2", "test", "dm", "none", 0.70, 0.79),
        ("forages2", "test", "ndf", "none", 0.83, 0.83),
        ("tecator", "typ", "fat", TREATED, 0.96, 0.985),
        ("cassav", "year", "tbc", TREATED, 0.80, 0.83),
    ],
)
def test_values(real_data, name, column, target, steps, pls, local):
    train, test = halves(real_data, name, column)
    for method, least in (("pls", pls), ("lwplsr", local)):
        tuned = tune(method, "regression", train.spectra, train.target(target), preprocessing=steps)
        predicted = tuned.pipeline.predict(test.spectra)
        assert ValueScores.of(predicted, test.target(target)).r2 > least, method


@pytest.mark.parametrize(
    ("name", "target", "steps", "components"),
    [
        ("tecator", "fat", TREATED, 10),
        ("cassav", "tbc", TREATED, 12),
        ("forages2", "dm", "none", 15),
        ("NIRsoil", "Nt", TREATED, 10),
    ],
)
def test_few_spectra_kept_back_by_chance_are_called_unlike_the_calibration(
    real_data, name, target, steps, components
):
    """The limits are of normal scores, so more than 1 %; printed are those of each measure, and of any."""
    files = [real_data / "nir" / f"{name}{end}.csv" for end in ("_X", "_Y")]
    table = read_spectra(files if name != "NIRsoil" else real_data / "nir" / "NIRsoil.csv")
    shares = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(table))
        train, test = (
            table.rows(order[: len(order) * 4 // 5]),
            table.rows(order[len(order) * 4 // 5 :]),
        )
        chain = Preprocessing(steps).fit(train.spectra)
        domain = fit_domain(chain.transform(train.spectra), train.target(target), components)
        unlike = unlike_calibration(domain, chain.transform(test.spectra))
        shares.append([*(np.mean(r > 1) for r in unlike.ratios.values()), unlike.count / len(test)])
    mean, spread = np.mean(shares, axis=0), np.std(shares, axis=0)
    print(f"{name}: T2, Q, leverage, nn_distance, any: {mean.round(3)} +/- {spread.round(3)}")
    assert 0.01 < mean[-1] < 0.25


def test_soil_with_missing_values(real_data):
    table = read_spectra(real_data / "nir" / "NIRsoil.csv")
    part = parts_by_column(table, "train")
    train, test = table.rows(part == TRAIN), table.rows(part == TEST)
    tuned = tune("pls", "regression", train.spectra, train.target("Nt"), preprocessing=TREATED)
    found = ValueScores.of(tuned.pipeline.predict(test.spectra), test.target("Nt"))
    assert found.r2 > 0.58
    assert found.n < len(test)


def test_kinds_of_forage(real_data):
    train, test = halves(real_data, "forages", "test")
    tuned = tune("pls", "classification", train.spectra, train.classes("typ"))
    predicted = tuned.pipeline.predict(test.spectra).astype(object)
    assert ClassScores.of(predicted, test.classes("typ")).accuracy > 0.85


@pytest.mark.parametrize(
    ("method", "settings", "apart"),
    [
        ("pls", {"n_components": 15}, 1e-6),
        ("svm", {"C": 100.0, "gamma": 1 / 700}, 2e-5),
        ("lwplsr", {"n_components": 10, "n_neighbors": 200, "h": 2.0}, 1e-4),
    ],
)
def test_packages_predict_as_their_estimators(real_data, tmp_path, method, settings, apart):
    for name, column, target, steps in (
        ("forages2", "test", "dm", "none"),
        ("tecator", "typ", "fat", TREATED),
        ("cassav", "year", "tbc", TREATED),
    ):
        train, test = halves(real_data, name, column)
        path = tmp_path / "m.safetensors"
        fitted = FittedMethod.fit(
            method,
            train.spectra,
            train.target(target),
            train.wavelengths_nm,
            [settings],
            preprocessing=steps,
        )
        save_spectral_model(path, fitted, Metadata(targets=(Target(target),)))
        changed = load_spectral_model(path).predict(test.spectra) - fitted.predict(test.spectra)
        assert np.abs(changed / fitted.target_std).max() < apart
