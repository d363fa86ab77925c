"""External parameter orthogonalisation: against direct algebra and another implementation, and on a simulated influence."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from chemotools.projection import ExternalParameterOrthogonalization
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import no_report
from georaster_dl.spectra.compare import compare
from georaster_dl.spectra.methods.estimators import PLSRegressor
from georaster_dl.spectra.methods.tuning import try_settings, tune
from georaster_dl.spectra.network.networks import SpectraClassifier, SpectraRegressor
from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.scoring.folds import Folding
from georaster_dl.spectra.scoring.split import Division
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.columns import TableOptions

BANDS = 60
AXIS = np.linspace(1100, 1690, BANDS)
INFLUENCE = np.exp(-(((AXIS - 1330) / 90) ** 2))  # overlaps both constituents
BY_SAMPLE = TableOptions(("fat",), division=Division(group_column="sample"))


def measured(n, levels, seed):
    """Scans of n samples, each at all ``levels`` of an influence: (n levels, bands), values and samples (n levels,)."""
    generator = np.random.default_rng(seed)
    pure = np.exp(-(((AXIS - np.array([[1250.0], [1450.0], [1600.0]])) / 70) ** 2))
    shares = np.repeat(generator.uniform(0.2, 1, (n, 3)), len(levels), axis=0)
    spectra = shares @ pure + np.tile(levels, n)[:, None] * INFLUENCE
    noisy = spectra + generator.normal(0, 5e-3, spectra.shape)
    return noisy, 10 * shares[:, 0], np.repeat([f"s{i}" for i in range(n)], len(levels))


def table(spectra, values, samples):
    return SpectraTable("scans", AXIS, spectra, pd.DataFrame({"fat": values, "sample": samples}))


@pytest.fixture(scope="module")
def scans():
    return measured(40, (0.0, 0.1), 0)


def epo(spectra, samples, steps="epo(1)"):
    return Preprocessing(steps).fit(spectra, groups=samples)


def test_it_projects_onto_what_differences_within_samples_do_not_span():
    generator = np.random.default_rng(0)
    spectra = generator.normal(size=(20, 12))
    samples = np.array(["a"] * 3 + ["b"] * 2 + ["c"] * 4 + ["d"] + [None] * 10, object)
    of_samples = [spectra[samples == name] for name in "abcd"]
    differences = np.concatenate([each - each.mean(axis=0) for each in of_samples])
    found = epo(spectra, samples, "epo(3)").transform(spectra)
    v = np.linalg.svd(differences)[2][:3].T
    np.testing.assert_allclose(found, spectra @ (np.eye(12) - v @ v.T), atol=1e-6)

    other = ExternalParameterOrthogonalization(3).fit(
        spectra, X_external=spectra[:10], sample_ids=samples[:10].astype(str)
    )
    # That one leaves the mean spectrum as it is.
    np.testing.assert_allclose(
        found - found.mean(axis=0), other.transform(spectra) - spectra.mean(axis=0), atol=1e-6
    )


def test_an_influence_on_scans_is_taken_away_after_the_steps_before_it(scans):
    spectra, _, samples = scans
    found = epo(spectra, samples, "snv,epo(2),center")
    before = Preprocessing("snv").fit_transform(spectra)
    expected = epo(before, samples, "epo(2),center").transform(before)
    np.testing.assert_allclose(found.transform(spectra), expected, atol=1e-12)
    again = Preprocessing.from_json(json.loads(json.dumps(found.to_json())))
    assert again.transform(spectra).tolist() == found.transform(spectra).tolist()


def rmsep(method, steps, scans, fresh, wanted):
    spectra, values, samples = scans
    tuned = tune(
        method, "regression", spectra, values, preprocessing=steps, groups=samples.astype(object)
    )
    return np.sqrt(np.mean((np.ravel(tuned.pipeline.predict(fresh)) - wanted) ** 2))


@pytest.mark.slow
def test_a_few_samples_under_two_levels_are_enough_for_a_third():
    """40 samples under one level, 8 of them under another, and new samples at twice that."""
    every = measured(40, (0.0, 1.0), 0)
    rows = np.arange(80)
    first, few = rows % 2 == 0, (rows % 2 == 0) | (rows < 16)
    alone, both = ([part[kept] for part in every] for kept in (first, few))
    fresh, wanted, _ = measured(200, (2.0,), 1)
    for method in ("pls", "svm"):
        assert rmsep(method, "epo(1)", both, fresh, wanted) < 0.1 * rmsep(
            method, "none", alone, fresh, wanted
        )
    # PLS learns from the same scans to do without the influence; other methods do not.
    plain, taken_away = (rmsep("svm", steps, both, fresh, wanted) for steps in ("none", "epo(1)"))
    assert taken_away < 0.5 * plain


def test_packages_carry_it(scans, tmp_path):
    spectra, _, samples = scans
    path, settings = tmp_path / "m.safetensors", Settings("epo(1)", components=3)
    options = replace(BY_SAMPLE, folding=Folding(n_folds=3))
    trained = train_table(table(*scans), path, "pls", options, settings, no_report)
    model = load_spectral_model(path)
    assert model.card.preprocessing.steps == "epo(1)"
    np.testing.assert_allclose(model.predict(spectra), trained.model.predict(spectra), atol=1e-4)
    learnt = trained.learnt
    np.testing.assert_allclose(
        model.preprocessing.transform(spectra),
        epo(spectra[learnt], samples[learnt]).transform(spectra),
        atol=1e-6,
    )


def test_each_fold_learns_from_its_own_rows(scans):
    spectra, values, samples = scans
    samples = samples.astype(object)
    folds = list(GroupKFold(4).split(spectra, groups=samples))
    found = try_settings("pls", spectra, values, [folds], preprocessing="epo(1)", groups=samples)
    for learnt, rest in folds:
        chain = epo(spectra[learnt], samples[learnt])
        model = PLSRegressor(3).fit(chain.transform(spectra[learnt]), values[learnt])
        expected = np.ravel(model.predict(chain.transform(spectra[rest])))
        np.testing.assert_allclose(found.predicted[2, 0, rest], expected, atol=1e-8)
    tuned = tune("pls", "regression", spectra, values, preprocessing="epo(1)", groups=samples)
    np.testing.assert_allclose(
        tuned.pipeline[0].transform(spectra), epo(spectra, samples).transform(spectra)
    )


@pytest.mark.parametrize("kind", [SpectraRegressor, SpectraClassifier])
def test_networks_learn_it_from_spectra_that_do_not_choose_the_epoch(scans, kind):
    spectra, values, samples = scans
    held_out = np.arange(len(spectra)) >= 60
    wanted = values if kind is SpectraRegressor else np.where(values > 6, "rich", "poor")
    network = kind(preprocessing="epo(1)", epochs=1, random_state=0)
    network.fit(spectra, wanted, groups=samples, held_out=held_out)
    expected = epo(spectra[:60], samples[:60]).transform(spectra)
    np.testing.assert_allclose(network.preprocessing_.transform(spectra), expected)


def test_all_methods_and_splits_know_the_samples(scans, tmp_path):
    options = replace(
        BY_SAMPLE,
        division=Division("kennard-stone", group_column="sample"),
        folding=Folding(n_folds=3),
    )
    settings = Settings("epo(1)", epochs=1)
    for each in (options, replace(BY_SAMPLE, folding=Folding(n_folds=3))):
        found = compare(
            table(*scans), each, ["pls", "cnn1d"], settings, n_seeds=1, report=no_report
        )
        assert all(np.isfinite(one.predicted.astype(float)).all() for one in found)
    path = tmp_path / "m.safetensors"
    card = train_table(table(*scans), path, "cnn1d", options, settings, no_report).card
    assert card.preprocessing.steps == "epo(1)"


def test_pipelines_pass_the_samples_to_each_fold(scans):
    spectra, values, samples = scans
    pipeline = make_pipeline(Preprocessing("epo(1)"), PLSRegressor(3))
    predicted = cross_val_predict(
        pipeline, spectra, values, groups=samples, cv=GroupKFold(4),
        params={"preprocessing__groups": samples},
    )  # fmt: skip
    assert np.corrcoef(predicted.ravel(), values)[0, 1] > 0.99


@pytest.mark.parametrize(
    ("steps", "samples", "said"),
    [
        ("epo(1)", None, "epo.1. learns how spectra of one sample differ.*`group_column=`"),
        ("epo(1)", range(80), "80 samples, 80 spectra of 60 bands, differ in 0; take fewer"),
        ("epo(3)", ["a", "a", "a", *range(77)], "78 samples.* differ in 2; take fewer"),
        ("epo(0)", ["a"] * 80, "epo takes 1 to 20 directions away, but got 0"),
        ("epo", ["a"] * 80, r"Got epo\(\), but epo\(directions\) is expected"),
    ],
)
def test_without_differences_within_samples_it_is_refused(scans, steps, samples, said):
    with pytest.raises(OptionError, match=said):
        epo(scans[0], samples, steps)


def test_scans_that_are_copies_teach_nothing(scans):
    spectra = np.repeat(scans[0][:20], 2, axis=0)
    with pytest.raises(OptionError, match="differ in 0"):
        epo(spectra, np.repeat(range(20), 2))


def test_as_many_samples_as_spectra_are_asked_for(scans):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        epo(scans[0], ["a"] * 79)


def test_a_table_without_a_column_of_samples_is_refused(scans, tmp_path):
    path = tmp_path / "m.safetensors"
    options = TableOptions(("fat",))
    with pytest.raises(OptionError, match="name their column with `group_column=`"):
        train_table(table(*scans), path, "pls", options, Settings("epo(1)"), no_report)
    assert not path.exists()
