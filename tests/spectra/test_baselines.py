"""Baselines and how their settings are chosen."""

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.methods import baselines
from georaster_dl.spectra.methods.baselines import BASELINES, UNSEARCHED, baseline, settings_grid
from georaster_dl.spectra.methods.estimators import OneHotClassifier, PLSRegressor
from georaster_dl.spectra.methods.tuning import tune
from georaster_dl.spectra.scoring.folds import cross_validation
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from tests.spectra.made import chemistry


@pytest.fixture
def quick(monkeypatch):
    """Small grids and forests."""
    monkeypatch.setattr(baselines, "_NEIGHBORS", (40,))
    monkeypatch.setattr(baselines, "_DECAYS", (2.0, np.inf))
    monkeypatch.setattr(baselines, "_TREES", 30)


@parametrize_with_checks([OneHotClassifier(PLSRegressor(2)), PLSRegressor(3)])
def test_they_are_estimators_of_scikit_learn(estimator, check):
    check(estimator)


def test_all_components_come_from_one_fit():
    spectra, values = chemistry(60, targets=2)
    found = PLSRegressor(6).fit(spectra, values).predict_all(spectra)
    for a in range(1, 7):
        expected = PLSRegression(a, scale=False, tol=1e-26).fit(spectra, values).predict(spectra)
        np.testing.assert_allclose(found[a - 1], expected, atol=1e-9)


def test_components_are_at_least_one_and_no_more_than_there_are():
    spectra, values = chemistry(20, 6)
    with pytest.raises(ValueError, match="n_components must be 1 or more, but is 0"):
        PLSRegressor(0).fit(spectra, values)
    few, many = (PLSRegressor(n).fit(spectra[:, :4], values) for n in (4, 40))
    np.testing.assert_array_equal(few.predict(spectra[:, :4]), many.predict(spectra[:, :4]))


@pytest.mark.parametrize("name", BASELINES)
def test_values(quick, name):
    spectra, values = chemistry(260, 30)
    values[:5] = np.nan
    tuned = tune(name, "regression", spectra[:160], values[:160, 0])
    found = ValueScores.of(tuned.pipeline.predict(spectra[160:]).ravel(), values[160:, 0])
    assert found.r2 > {"pls": 0.2, "lwplsr": 0.6, "svm": 0.8, "rf": 0.3}[name]
    if name in UNSEARCHED:  # cross-validation would choose nothing, and take five times the fit
        assert (tuned.score, tuned.tried, tuned.settings) == (None, (), {})
    else:
        assert tuned.score == min(score for _, score in tuned.tried)
        assert tuned.score == pytest.approx(found.rmsep, rel=0.4)


@pytest.mark.parametrize("name", BASELINES)
def test_classes(quick, name):
    spectra, values = chemistry(260, 30)
    classes = np.where(values[:, 0] > 0.8, "high", "low").astype(object)
    classes[[0, 3]] = None
    tuned = tune(name, "classification", spectra[:160], classes[:160], preprocessing="center")
    predicted = tuned.pipeline.predict(spectra[160:]).astype(object)
    assert ClassScores.of(predicted, classes[160:]).balanced_accuracy > 0.7
    assert tuned.score == max((score for _, score in tuned.tried), default=None)


def test_samples_stay_whole():
    """Repeated scans of samples whose value says nothing: only folds that divide them look good."""
    generator = np.random.default_rng(0)
    samples = np.repeat(np.arange(30), 6)
    spectra = generator.normal(size=(30, 40))[samples] + generator.normal(0, 0.01, (180, 40))
    values = generator.normal(size=30)[samples]
    groups = samples.astype(str).astype(object)
    leaking = tune("pls", "regression", spectra, values)
    honest = tune("pls", "regression", spectra, values, groups=groups)
    assert leaking.score < 0.3
    assert honest.score > 0.8


def test_preprocessing_and_models_are_learnt_in_the_fold():
    spectra, values = chemistry(60, 20)
    spectra[7] *= 50  # whoever learns from it has another standardisation
    target, predicted = values[:, 0], np.empty((19, 60))
    for learnt, measured in cross_validation(60, 10, groups=None, classes=None, seed=0):
        mean, spread = spectra[learnt].mean(axis=0), spectra[learnt].std(axis=0)
        model = PLSRegressor(19).fit((spectra[learnt] - mean) / spread, target[learnt])
        predicted[:, measured] = model.predict_all((spectra[measured] - mean) / spread)[:, :, 0]
    expected = np.sqrt(((predicted - target) ** 2).mean(axis=1))
    tuned = tune("pls", "regression", spectra, target, preprocessing="standardise")
    scores = [score for _, score in tuned.tried]
    np.testing.assert_allclose(scores[:19], expected, rtol=1e-9)
    assert tuned.settings == {"n_components": int(np.argmin(scores)) + 1}
    assert tuned.pipeline[0].steps == "standardise"


def test_the_same_seed_gives_the_same():
    spectra, values = chemistry(80, 20)
    first, again = (tune("pls", "regression", spectra, values[:, 0], seed=3) for _ in range(2))
    assert first.tried == again.tried
    assert first.tried != tune("pls", "regression", spectra, values[:, 0], seed=4).tried


def test_classes_that_samples_keep_apart():
    spectra, _ = chemistry(20, 20)
    groups = np.array(["x"] * 10 + ["y"] * 10, object)
    classes = np.array(["a"] * 10 + ["b"] * 10, object)
    with pytest.raises(OptionError, match="a single class to learn from"):
        tune("pls", "classification", spectra, classes, groups=groups)


def test_grids_fit_the_data():
    assert settings_grid("pls", 10, 700) == [{"n_components": 9}]
    assert {s["n_neighbors"] for s in settings_grid("lwplsr", 120, 700)} == {50, 100, 120}
    assert len(settings_grid("svm", 100, 50)) == 12


def test_too_little_to_learn_from():
    with pytest.raises(OptionError, match="1 different value are too few"):
        tune("pls", "regression", np.ones((5, 9)), np.ones(5))
    with pytest.raises(OptionError, match="0 training spectra"):
        tune("rf", "classification", np.ones((5, 9)), np.full(5, None))
    with pytest.raises(OptionError, match="did you mean 'pls'"):
        baseline("pl", "regression")
