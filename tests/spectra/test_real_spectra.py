"""The published splits of real sets, near the figures that others got on them."""

import pytest

from georaster_dl.spectra.methods.tuning import tune
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
