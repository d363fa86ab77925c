"""One method is kept by cross-validation, and no figure has seen what it is measured on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import MethodStarted, Progressed, Warned, no_report
from georaster_dl.spectra.methods.tuning import try_settings
from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.scoring.folds import Folding, Samples
from georaster_dl.spectra.scoring.scores import ValueScores
from georaster_dl.spectra.scoring.split import Division
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.choice import choose, class_loss, value_loss
from georaster_dl.spectra.training.columns import TableOptions
from georaster_dl.spectra.training.result import ComponentsCurve, CrossValidated
from tests.spectra.made import chemistry


def _table(n=120, bands=30, **columns):
    spectra, values = chemistry(n, bands, targets=2)
    frame = pd.DataFrame({"fat": values[:, 0], "water": values[:, 1]} | columns)
    frame["kind"] = np.where(frame["fat"] > 0.5, "rich", "poor")
    return SpectraTable("meat", np.linspace(1000, 1390, bands), spectra, frame)


def _found(method, loss, error=0.1):
    return CrossValidated(method, (), np.empty(0), {}, {}, loss, error, {})


@pytest.mark.parametrize(
    ("losses", "kept", "reason"),
    [
        ({"svm": 1.0, "pls": 1.09, "cnn1d": 1.05}, "pls", "within one standard error (0.1) of the"),
        (
            {"svm": 1.0, "pls": 1.11, "cnn1d": 1.05},
            "svm",
            "is the least; the next is 1.05 of cnn1d",
        ),
        ({"cnn1d": 1.0, "rf": 1.05, "lwplsr": 1.05}, "lwplsr", "least, 1 of cnn1d"),
        ({"spectratr": 1.0, "cnn1d": 1.05}, "cnn1d", "simplest"),
    ],
)
def test_the_simplest_within_one_standard_error_is_kept(losses, kept, reason):
    found = choose([_found(name, loss) for name, loss in losses.items()], None, "RMSECV")
    assert (found.kept, found.asked) == (kept, False)
    assert reason in found.reason


def test_a_worse_method_is_not_kept_in_silence():
    asked = choose([_found("cnn1d", 2.0), _found("pls", 1.0)], "cnn1d", "RMSECV")
    assert (asked.kept, asked.by_rule) == ("cnn1d", "pls")
    assert asked.reason.endswith("in cross-validation pls has the lower RMSECV, 1 against 2")
    near = choose([_found("cnn1d", 1.0), _found("pls", 1.05)], "cnn1d", "RMSECV")
    assert "pls is simpler, with a RMSECV of 1.05 within one standard error" in near.reason
    best = choose([_found("cnn1d", 1.0), _found("pls", 1.5)], "cnn1d", "RMSECV")
    assert best.reason == "cnn1d was asked for; its RMSECV is 1 ± 0.1; the next is 1.5 of pls"


def test_classes_are_chosen_in_the_words_of_their_table():
    found = [_found("svm", 0.361), _found("pls", 0.2)]
    worse = choose(found, "svm", "1 - macro F1", "classification")
    assert worse.reason.endswith("pls-da has the higher macro F1, 0.8 against 0.639")
    best = choose(found, None, "1 - macro F1", "classification")
    assert best.reason == (
        "pls-da is kept: its macro F1, 0.8 ± 0.1, is the highest; the next is 0.639 of svm"
    )


def test_fewer_latent_variables_within_one_standard_error_are_named(tmp_path):
    options = TableOptions(("fat",))
    trained = train_table(
        _table(), tmp_path / "m.safetensors", "pls", options, Settings(), no_report
    )
    (curve,) = trained.kept.cross_validated.curves.values()
    assert 1 <= curve.fewest <= curve.chosen
    assert trained.card.training["latent variables, fat"] == curve.text("RMSECV")
    many = ComponentsCurve(np.arange(25.0), 21, asked=False, fewest=6)
    assert many.text("RMSECV") == (
        "21 latent variables, the least RMSECV of 1 to 25; 6 are within one standard error (`components=6`)"
    )
    assert "no fewer" in replace(many, fewest=21).text("RMSECV")
    assert replace(many, asked=True).text("RMSECV") == "21 latent variables, as asked for"


def test_a_worse_method_that_was_asked_for_is_a_warning(tmp_path):
    table, told = _table(), []
    table.columns["fat"] = table.spectra @ np.linspace(
        -1, 1, 30
    )  # a line, which forests cannot draw
    path = tmp_path / "m.safetensors"
    options = TableOptions(("fat",), quantity="absorbance")
    trained = train_table(table, path, "rf", options, Settings(), told.append)
    assert (trained.choice.kept, trained.choice.by_rule) == ("rf", "pls")
    (warning,) = [event.message for event in told if isinstance(event, Warned)]
    assert "rf was asked for, but in cross-validation pls has the lower RMSECV" in warning


def test_the_standard_error_is_of_the_folds():
    generator = np.random.default_rng(0)
    measured = generator.normal(size=40)
    predicted = measured + generator.normal(size=(1, 40))
    folds = Folding("contiguous-blocks", 4).divide(Samples(40), 0)
    squares = ((predicted[0] - measured) ** 2).reshape(4, 10).mean(axis=1)
    rmsecv = np.sqrt(squares.mean())
    found = value_loss(predicted, measured, folds)
    assert found.mean == pytest.approx(rmsecv)
    assert found.error == pytest.approx(squares.std(ddof=1) / 2 / (2 * rmsecv))
    twice = value_loss(np.tile(predicted, (2, 1)), measured, folds * 2)
    assert twice.mean == pytest.approx(rmsecv)
    assert twice.error == pytest.approx(found.error * np.sqrt(6 / 7))  # of 8 values, not of 4


def test_the_loss_of_classes_is_of_macro_f1():
    measured = np.array(["a", "a", "b", "b"], object)
    predicted = np.array([["a", "b", "b", "b"]], object)
    folds = Folding("venetian-blinds", 2).divide(Samples(4), 0)
    assert class_loss(predicted, measured, folds).mean == pytest.approx(1 - (2 / 3 + 4 / 5) / 2)


@pytest.mark.slow
def test_settings_are_not_measured_on_what_chose_them():
    """Where there is nothing to find, the least loss of many settings looks better than the mean does."""
    flattering, honest = [], []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        spectra, values = generator.normal(size=(40, 30)), generator.normal(size=40)
        folds = Folding(n_folds=5).divide(Samples(40), seed)
        trials = try_settings("svm", spectra, values, folds)
        flattering.append(trials.losses.min())
        honest.append(np.sqrt(np.mean((trials.out_of_fold() - values) ** 2)))
        assert trials.losses[trials.chosen] == trials.losses.min()
    assert np.mean(honest) > np.mean(flattering) + 0.01


@pytest.mark.slow
def test_a_leak_raises_the_score_and_samples_prevent_it(tmp_path):
    """Three scans of each of 40 samples whose value the spectra do not tell."""
    generator = np.random.default_rng(0)
    samples = np.repeat(np.arange(40), 3)
    spectra = generator.normal(size=(40, 30))[samples] + generator.normal(0, 0.02, (120, 30))
    frame = pd.DataFrame({"fat": generator.normal(size=40)[samples], "sample": samples})
    table = SpectraTable("scans", np.linspace(1000, 1290, 30), spectra, frame)
    found = {}
    for group in (None, "sample"):
        options = TableOptions(("fat",), division=Division(group_column=group))
        path = tmp_path / f"{group}.safetensors"
        found[group] = train_table(table, path, "pls", options, Settings(), no_report)
    divided, whole = found[None], found["sample"]
    for trained, looks_good in ((divided, True), (whole, False)):
        crossed = trained.kept.cross_validated.scores["fat"]
        assert (crossed.r2 > 0.5) == looks_good
        assert (trained.scores["fat"]["pls"].r2 > 0.5) == looks_good
    tests = set(samples[whole.split.test])
    assert not tests & set(samples[whole.learnt])
    places = np.flatnonzero(whole.learnt)
    for learnt, measured in whole.folds[0]:
        assert not set(samples[places[learnt]]) & set(samples[places[measured]])
    assert "flatter" in divided.card.limitations
    assert "flatter" not in whole.card.limitations


def test_what_a_training_returns(tmp_path):
    table, told = _table(), []
    table.columns.loc[:4, "fat"] = np.nan
    path = tmp_path / "m.safetensors"
    options = TableOptions(("fat", "water"), folding=Folding("random", 4, 2))
    trained = train_table(table, path, "pls", options, Settings("snv"), told.append)
    assert [event.method for event in told if isinstance(event, MethodStarted)] == ["pls"]
    steps = [event for event in told if isinstance(event, Progressed)]
    assert [step.done for step in steps] == list(range(1, 18))
    assert steps[-1].total == 17
    kept = trained.kept
    crossed = kept.cross_validated
    assert crossed.out_of_fold.shape == (2, 120, 2)
    assert not np.isnan(crossed.out_of_fold[:, trained.learnt, 1]).any()
    assert np.isnan(crossed.out_of_fold[:, trained.split.test]).all()
    assert np.isnan(crossed.out_of_fold[:, :5, 0]).all()
    assert kept.predicted.shape == (120, 2)
    model = load_spectral_model(path)
    np.testing.assert_allclose(model.predict(table.spectra), kept.predicted, atol=1e-5)
    for i, name in enumerate(options.targets):
        measured = table.target(name)
        for rows, scores, metric in (
            (trained.learnt, kept.fitted, f"RMSEC {name}"),
            (trained.split.test, kept.tested, f"RMSEP {name}, test"),
        ):
            assert scores[name] == ValueScores.of(kept.predicted[rows, i], measured[rows])
            assert trained.card.metrics[metric] == pytest.approx(scores[name].rmsep, abs=1e-6)
        errors = crossed.out_of_fold[:, :, i] - measured
        rmsecv = np.sqrt(np.nanmean(errors[:, trained.learnt] ** 2))
        assert crossed.scores[name].rmsep == pytest.approx(rmsecv)
        assert trained.card.metrics[f"RMSECV {name}"] == pytest.approx(rmsecv, abs=1e-6)
        curve = crossed.curves[name]
        assert curve.chosen == int(np.argmin(curve.losses)) + 1
        assert crossed.settings[i] == {"n_components": curve.chosen}
        known = np.abs(errors[:, trained.learnt & ~np.isnan(measured)])
        half = trained.card.targets[i].interval.half_width(np.zeros(1))[0]
        assert half in known


def test_components_that_are_asked_for(tmp_path):
    path = tmp_path / "m.safetensors"
    options = TableOptions(("fat",))
    trained = train_table(_table(), path, "pls", options, Settings(components=3), no_report)
    curve = trained.kept.cross_validated.curves["fat"]
    assert (curve.chosen, curve.asked, len(curve.losses)) == (3, True, 25)
    assert "3 latent variables" in trained.card.training["pls, fat"]
    with pytest.raises(OptionError, match="1 to 30 latent variables"):
        train_table(_table(), path, "pls", options, Settings(components=40), no_report)


def test_classes_by_pls_are_called_so(tmp_path):
    options = TableOptions(class_column="kind")
    path = tmp_path / "k.safetensors"
    trained = train_table(_table(), path, "pls", options, Settings(), no_report)
    assert trained.kept.label == "pls-da"
    assert trained.card.metrics["macro F1, cross-validation"] == pytest.approx(
        trained.kept.cross_validated.scores["kind"].macro_f1, abs=1e-6
    )
    assert "pls-da, kind" in trained.card.training
    assert trained.intervals == ()


def test_the_same_seed_gives_the_same_choice(tmp_path):
    options = TableOptions(("fat",))
    runs = [
        train_table(
            _table(60), tmp_path / f"{i}.safetensors", "pls", options, Settings(), no_report
        )
        for i in range(2)
    ]
    first, again = (run.kept.cross_validated for run in runs)
    np.testing.assert_array_equal(first.out_of_fold, again.out_of_fold)
    other = train_table(
        _table(60),
        tmp_path / "o.safetensors",
        "pls",
        options,
        replace(Settings(), seed=1),
        no_report,
    )
    assert (other.learnt != runs[0].learnt).any()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pls", "svm", "lwplsr", "rf"])
@pytest.mark.parametrize("learnt", ["values", "classes"])
def test_packages_predict_as_the_methods_that_were_tested(tmp_path, method, learnt):
    of_values = learnt == "values"
    options = TableOptions(("fat",)) if of_values else TableOptions(class_column="kind")
    path, table = tmp_path / "m.safetensors", _table(80, 20)
    trained = train_table(table, path, method, options, Settings("snv"), no_report)
    assert [tried.method for tried in trained.methods] == list(dict.fromkeys([method, "pls"]))
    predicted = load_spectral_model(path).predict(table.spectra)
    if of_values:
        spread = table.target("fat").std()
        np.testing.assert_allclose(predicted, trained.kept.predicted, atol=1e-4 * spread)
        assert trained.card.targets[0].interval is not None
    else:
        assert predicted.tolist() == trained.kept.predicted.tolist()
