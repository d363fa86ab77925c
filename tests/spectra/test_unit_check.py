"""Spectra of another size than a model's are told, with the factor; others are not."""

import numpy as np
import pytest

from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.table.unit_check import other_size

TRAINING = np.random.default_rng(0).uniform(0.05, 0.7, (50, 30))


def told(spectra, steps="none"):
    preprocessing = Preprocessing(steps).fit(TRAINING)
    learnt = preprocessing.transform(TRAINING)
    return other_size(
        preprocessing.transform_or_nan(spectra), learnt.mean(axis=0), learnt.std(axis=0)
    )


@pytest.mark.parametrize("steps", ["none", "savgol(5,2,1)", "smooth(5,2)"])
@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (100, ["these are percent", "divide these by 100"]),
        (10_000, ["whole numbers of 0 to 10,000", "divide these by 10,000"]),
        (0.01, ["the model's are percent", "multiply these by 100"]),
        (1e-4, ["multiply these by 10,000"]),
    ],
)
def test_factors(steps, factor, words):
    said = told(TRAINING * factor, steps)
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize("steps", ["none", "savgol(5,2,1)", "center", "snv"])
@pytest.mark.parametrize("factor", [0.2, 1, 5])
def test_other_materials_are_no_other_size(steps, factor):
    assert told(TRAINING[:7] * factor, steps) is None


def test_preprocessing_that_do_not_care_for_size():
    assert told(TRAINING * 100, "snv") is None


def test_spectra_that_tell_nothing():
    assert told(np.zeros((0, 30))) is None
    assert told(np.zeros((3, 30))) is None
    assert told(np.full((3, 30), 5.0), "snv") is None
