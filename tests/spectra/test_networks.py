"""Networks as estimators: scikit-learn's contract, learning, determinism, missing targets."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import spectral_models
from georaster_dl.spectra.network.networks import SpectraClassifier, SpectraRegressor, new_estimator
from georaster_dl.spectra.preprocess.chain import Preprocessing
from tests.spectra.made import chemistry

QUICK = {"epochs": 20, "learning_rate": 0.01, "augment": False}
# Slower networks learn for fewer epochs, in which they pass the checks on how well they fit.
EPOCHS = {"cnn1d": 20, "spectratr": 10, "band_attention": 10, "pls_net": 20}
EACH = [
    kind(architecture=name, **QUICK | {"epochs": epochs})
    for name, epochs in EPOCHS.items()
    for kind in (SpectraRegressor, SpectraClassifier)
]


def test_every_network_of_spectra_is_checked():
    assert list(EPOCHS) == spectral_models()


@pytest.mark.slow
@parametrize_with_checks(EACH)
def test_they_are_estimators_of_scikit_learn(estimator, check):
    check(estimator)


def _regressor(**changes):
    return SpectraRegressor(**QUICK | {"random_state": 0} | changes)


@pytest.mark.slow
def test_one_value_is_learnt_in_its_own_unit():
    spectra, values = chemistry(300)
    target = 1e4 + 1e3 * values[:, 0]
    found = _regressor(epochs=60).fit(spectra[:200], target[:200])
    assert found.score(spectra[200:], target[200:]) > 0.8
    assert found.predict(spectra[200:]).shape == (100,)


@pytest.mark.slow
def test_missing_values_teach_nothing():
    """Two targets of which each is known of half the spectra."""
    spectra, values = chemistry(300, targets=2)
    known = values[:200].copy()
    known[::2, 0] = np.nan
    known[1::2, 1] = np.nan
    known[7] = np.nan
    model = _regressor(epochs=60).fit(spectra[:200], known)
    errors = model.predict(spectra[200:]) - values[200:]
    assert (errors.std(axis=0) < 0.7 * values[200:].std(axis=0)).all()
    with pytest.raises(OptionError, match="Target 2 is not known"):
        _regressor().fit(spectra, np.where([False, True], np.nan, values))


@pytest.mark.slow
def test_classes_and_probabilities():
    spectra, values = chemistry(300)
    classes = np.where(values[:, 0] > 0.8, "high", "low").astype(object)
    model = SpectraClassifier(**QUICK | {"epochs": 60}, random_state=0, members=2).fit(
        spectra[:200], classes[:200]
    )
    assert model.score(spectra[200:], classes[200:]) > 0.8
    shares = model.predict_proba(spectra[200:])
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (model.classes_[shares.argmax(axis=1)] == model.predict(spectra[200:])).all()


def test_the_same_state_gives_the_same_network():
    spectra, values = chemistry(60)
    quick = {"epochs": 3, "augment": True, "random_state": 5}
    before = torch.get_rng_state()
    first, again = (_regressor(**quick).fit(spectra, values) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert (first.predict(spectra) == again.predict(spectra)).all()
    other = _regressor(**quick | {"random_state": 6}).fit(spectra, values)
    assert (first.predict(spectra) != other.predict(spectra)).any()


def test_spread_of_the_members():
    spectra, values = chemistry(60)
    model = _regressor(epochs=3, members=3).fit(spectra, values[:, 0])
    predicted, spread = model.predict(spectra, return_std=True)
    each = model._planes(spectra)[:, :, 0] * model.target_std_ + model.target_mean_
    np.testing.assert_allclose(predicted, each.mean(axis=0))
    np.testing.assert_allclose(spread, each.std(axis=0))
    assert (spread > 0).all()
    _, none = _regressor(epochs=1).fit(spectra, values[:, 0]).predict(spectra, return_std=True)
    assert (none == 0).all()


def test_the_best_epoch_is_kept():
    """Noise alone: what is learnt by heart makes the held-out spectra worse, so the last is not best."""
    generator = np.random.default_rng(0)
    spectra, values = generator.normal(size=(60, 30)), generator.normal(size=60)
    losses = []
    model = _regressor(epochs=40).fit(
        spectra, values, log=lambda done, most, loss: losses.append((done, most, loss))
    )
    assert [(done, most) for done, most, _ in losses] == [(i, 40) for i in range(1, 41)]
    assert min(loss for _, _, loss in losses) < losses[-1][2]
    (held,) = model.held_out_
    errors = (model.predict(spectra[held]) - values[held]) / model.target_std_
    assert np.mean(errors**2) == pytest.approx(min(loss for _, _, loss in losses), rel=1e-4)


def test_held_out_spectra_teach_nothing_else():
    spectra, values = chemistry(60)
    held = np.arange(60) % 3 == 0
    spoilt = values.copy()
    spoilt[held] = 1e6
    models = [
        _regressor(epochs=1, preprocessing="center").fit(spectra, y, held_out=held)
        for y in (values, spoilt)
    ]
    assert (models[0].predict(spectra) == models[1].predict(spectra)).all()
    assert (models[0].held_out_ == held).all()
    turns = np.stack([held, ~held])
    model = _regressor(epochs=1, members=3).fit(spectra, values, held_out=turns)
    assert (model.held_out_ == turns[[0, 1, 0]]).all()
    with pytest.raises(OptionError, match="All spectra are held out"):
        _regressor().fit(spectra, values, held_out=np.ones(60, bool))


def test_every_member_holds_others_out():
    spectra, values = chemistry(60)
    model = _regressor(epochs=1, members=5).fit(spectra, values)
    assert (model.held_out_.sum(axis=0) == 1).all()
    assert _regressor(epochs=1, validation=0.0).fit(spectra, values).held_out_.sum() == 0


def test_a_share_of_every_class_is_held_out():
    spectra, _ = chemistry(45)
    classes = np.array(["a"] * 40 + ["b"] * 4 + ["c"])
    model = SpectraClassifier(**QUICK | {"epochs": 1}, validation=0.5).fit(spectra, classes)
    counts = {name: int(model.held_out_[0, classes == name].sum()) for name in "abc"}
    assert counts == {"a": 20, "b": 2, "c": 0}


def test_settings_are_searched_in_a_pipeline():
    spectra, values = chemistry(60)
    pipeline = make_pipeline(Preprocessing("snv"), _regressor(epochs=2))
    search = GridSearchCV(pipeline, {"spectraregressor__learning_rate": [1e-4, 1e-2]}, cv=2)
    search.fit(spectra, values[:, 0])
    assert search.best_params_ == {"spectraregressor__learning_rate": 1e-2}
    assert clone(search.best_estimator_)[1].learning_rate == 1e-2


def test_wavelengths_make_a_difference():
    spectra, values = chemistry(40)
    axes = (np.linspace(400, 700, 60), np.linspace(1000, 2500, 60))
    near, far = (
        new_estimator(
            "band_attention", "regression", epochs=1, random_state=0, wavelengths_nm=nm
        ).fit(spectra, values[:, 0])
        for nm in axes
    )
    assert not np.allclose(near.predict(spectra), far.predict(spectra))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "cnn2d"}, r"no network of single spectra \(did you mean 'cnn1d'\?\)"),
        ({"epochs": 0}, "epochs must be 1 or more, but got 0"),
        ({"members": 0}, "members must be 1 or more"),
        ({"validation": 1}, "share from 0 to below 1"),
        ({"augment": {"noize": 1}}, "No augmentation of spectra is named 'noize'; known are noise"),
        ({"augment": {"noise": -1}}, "noise must be at least 0, but got -1"),
        ({"preprocessing": "snw"}, "did you mean 'snv'"),
        ({"wavelengths_nm": [1000.0]}, "needs as many wavelengths, but got 1"),
        ({"device": "gpu"}, "Device 'gpu' is unknown"),
    ],
)
def test_what_cannot_work(changes, message):
    with pytest.raises(OptionError, match=message):
        _regressor(**changes).fit(*chemistry(20))
