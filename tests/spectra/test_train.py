"""From a table to a package with figures, intervals and a caution; and comparisons."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import TrainingProgressed, Warned, no_report
from georaster_dl.spectra import compare as comparison
from georaster_dl.spectra.compare import compare, paired, summary
from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.predict import predicted_classes, predicted_table, predicted_values
from georaster_dl.spectra.registry import Rows, Settings, fit_method, known_method, methods
from georaster_dl.spectra.scoring.folds import Folding
from georaster_dl.spectra.scoring.plots import Panel, _figure, plot_values
from georaster_dl.spectra.scoring.scores import ValueScores
from georaster_dl.spectra.scoring.split import Division
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.columns import TableOptions
from tests.spectra.made import chemistry

QUICK = Settings(members=2, epochs=15)


def _table(n=160, *, seed=0, **columns):
    spectra, values = chemistry(n, 40, targets=2, seed=seed)
    named = {
        "fat": values[:, 0],
        "water": values[:, 1],
        "kind": np.where(values[:, 0] > 0.5, "rich", "poor"),
    }
    frame = pd.DataFrame(named | columns)
    return SpectraTable("meat", np.linspace(1000, 1390, 40), spectra, frame)


def test_values(tmp_path):
    table, told = _table(), []
    table.columns.loc[:4, "fat"] = np.nan
    table.columns.loc[2:9, "water"] = np.nan
    path = tmp_path / "meat.safetensors"
    options = TableOptions(("fat", "water"), quantity="absorbance")
    trained = train_table(table, path, "cnn1d", options, QUICK, told.append)
    model = load_spectral_model(path)
    card = model.card
    assert card == trained.card
    assert card.quantity == "absorbance"
    said = "meat: 5 of 160 rows left out, as 'fat' has no value there (5 empty)"
    assert Warned(said) in told
    assert [event.done for event in told if isinstance(event, TrainingProgressed)][-1] == 30
    test = trained.split.test
    for i, name in enumerate(options.targets):
        predicted = model.predict(table.spectra[test])[:, i]
        found = ValueScores.of(predicted, table.target(name)[test])
        assert trained.scores[name]["cnn1d"].rmsep == pytest.approx(found.rmsep, rel=1e-9)
        assert card.metrics[f"RMSEP {name}, test"] == pytest.approx(found.rmsep, abs=1e-6)
        assert np.isfinite(trained.scores[name]["pls"].rmsep)
        assert card.targets[i].interval.factor > 0
    assert "by chance" in card.limitations
    assert "spectra that also chose the epoch" in card.limitations
    assert card.training["spectra"].endswith("32 tested")


@pytest.mark.slow
def test_intervals_hold_on_fresh_spectra(tmp_path):
    """With spectra spared for them; 0.9 are promised, of 400 fresh ones some sampling is left."""
    path = tmp_path / "m.safetensors"
    trained = train_table(_table(700), path, "cnn1d", TableOptions(("fat",)), QUICK, no_report)
    assert "56 spectra that nothing else was learnt from" in trained.card.limitations
    fresh = predicted_table(load_spectral_model(path), _table(400, seed=9))
    (found,) = predicted_values(fresh, ["fat"])
    assert 0.83 < found.within < 0.97


@pytest.mark.slow
def test_classes(tmp_path):
    path, table = tmp_path / "m.safetensors", _table()
    options = TableOptions(class_column="kind")
    trained = train_table(table, path, "band-attention", options, QUICK, no_report)
    scores = trained.scores["kind"]["band-attention"]
    assert trained.card.metrics["OA, test"] == pytest.approx(scores.accuracy, abs=1e-6)
    assert "ntervals" not in trained.card.limitations + trained.card.training["spectra"]
    predicted = predicted_table(load_spectral_model(path), table)
    shares = predicted.columns[["p_poor", "p_rich"]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(predicted.columns["probability"], shares.max(axis=1))
    assert predicted_classes(predicted, "kind").n == 160


def test_few_spectra_have_no_interval(tmp_path):
    options = TableOptions(("fat",))
    trained = train_table(
        _table(30), tmp_path / "m.safetensors", "cnn1d", options, QUICK, no_report
    )
    assert trained.card.targets[0].interval is None
    assert "Too few spectra were left to say how wide intervals are." in trained.card.limitations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TableOptions(("fatt",)), "no column 'fatt'.*did you mean 'fat'"),
        (TableOptions(("kind",)), "holds the text"),
        (TableOptions(("same",)), "'same' of meat is the same in all 160 rows"),
        (TableOptions(class_column="same"), "is the same in all 160 rows"),
        (TableOptions(), "Give either `targets=`"),
        (TableOptions(("fat",), "kind"), "one of them"),
    ],
)
def test_what_cannot_be_learnt(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        train_table(
            _table(same=3.0), tmp_path / "m.safetensors", "cnn1d", options, QUICK, no_report
        )


def test_every_method_has_one_door():
    assert [known_method(f" {name} ") for name in methods()] == methods()
    assert known_method("band_attention") == "band-attention"
    assert known_method("pls-da") == "pls"
    with pytest.raises(OptionError, match="did you mean 'cnn1d'"):
        known_method("cnn")
    spectra, values = chemistry(40)
    held = np.arange(40) < 8
    for target in (values[:, 0], np.where(values[:, 0] > 0.5, "a", "b").astype(object)):
        rows = Rows(spectra, target, np.linspace(400, 900, 60), None, held)
        for name in ("pls", "spectratr"):
            fitted = fit_method(name, rows, Settings("snv", epochs=1))
            assert fitted.predict(spectra[:3]).size == 3


def test_out_of_fold(monkeypatch):
    """Every known row is tested once by a model that never saw its sample."""
    seen = []

    def recorded(name, rows, settings):
        seen.append(set(rows.groups))
        return fit_method(name, rows, settings)

    monkeypatch.setattr(comparison, "fit_method", recorded)
    table = _table(60, sample=np.repeat(np.arange(20), 3))
    table.columns.loc[0, "fat"] = np.nan
    options = TableOptions(
        ("fat",), division=Division(group_column="sample"), folding=Folding(n_folds=4)
    )
    found = compare(
        table, options, ["pls", "cnn1d"], Settings(epochs=1), n_seeds=2, report=no_report
    )
    assert [one.method for one in found] == ["pls", "cnn1d"]
    assert len(seen) == 2 * 2 * 4
    assert all(len(samples) == 15 for samples in seen)
    for one in found:
        assert len(one.scores) == 2
        assert one.scores[1] == ValueScores.of(one.predicted[1], one.measured)
        assert one.rows.tolist() == list(range(1, 60))
        assert one.measured.tolist() == table.target("fat")[1:].tolist()
    rows = summary(found)
    pair = [score.rmsep for score in found[1].scores]
    assert rows[1]["rmsep"] == pytest.approx(np.mean(pair))
    assert rows[1]["rmsep_sd"] == pytest.approx(np.std(pair, ddof=1))
    assert rows[0]["n"] == 59
    (test,) = paired(found)
    assert (test.first, test.second, test.n) == ("pls", "cnn1d", 20)
    assert (rows[0]["p"], rows[1]["p"]) == (None, test.p)


def test_on_a_split_column():
    table = _table(60, typ=["train"] * 40 + ["test"] * 20)
    options = TableOptions(class_column="kind", division=Division(split_column="typ"))
    (found,) = compare(table, options, ["cnn1d"], Settings(epochs=1), n_seeds=1, report=no_report)
    assert list(found.measured) == list(table.classes("kind")[40:])
    row = summary([found])[0]
    assert row["accuracy"] == found.scores[0].accuracy
    assert row["accuracy_sd"] is None


def test_one_target_at_a_time():
    with pytest.raises(OptionError, match="by one target.*got 2 targets"):
        compare(
            _table(), TableOptions(("fat", "water")), ["pls"], QUICK,
            n_seeds=1, report=no_report,
        )  # fmt: skip


def test_predictions_are_not_written_over(tmp_path):
    path, table = tmp_path / "m.safetensors", _table(30, fat_predicted=1.0)
    train_table(table, path, "cnn1d", TableOptions(("fat",)), QUICK, no_report)
    with pytest.raises(OptionError, match=r"has columns already .* \(fat_predicted\)"):
        predicted_table(load_spectral_model(path), table)


def test_plot(tmp_path):
    from matplotlib.image import imread

    values = np.array([1.0, 2.0, np.nan, 4.0])
    panels = [
        Panel("a", "fat", values, values),
        *[Panel("b", "fat", values, values, values, values + 1)] * 3,
    ]
    plot_values(tmp_path / "p.png", panels)
    assert imread(tmp_path / "p.png").shape[:2] == (1008, 1512)


def test_axes_of_plots_are_equal_and_named():
    values = np.array([1.0, 2.0, 4.0])
    panels = [
        Panel("pls", "fat (%)", values, values + 1),
        Panel("cnn1d", "fat (%)", values, 3 * values, values, 4 * values, 0.9),
        Panel("water", "water", 10 * values, 9 * values),
    ]
    axes = _figure(panels).axes
    for each in axes:
        assert each.get_xlim() == each.get_ylim()
        assert each.get_xticks().tolist() == each.get_yticks().tolist()
        assert each.get_aspect() == 1
    assert axes[0].get_xlim() == axes[1].get_xlim() != axes[2].get_xlim()
    assert axes[0].get_xlim()[1] > 16
    assert (axes[0].get_xlabel(), axes[0].get_ylabel()) == (
        "measured fat (%)",
        "predicted fat (%)",
    )
    assert [text.get_text() for text in axes[1].get_legend().get_texts()] == ["90 % intervals"]


def test_plot_keeps_its_titles_within_the_picture(tmp_path):
    from matplotlib.image import imread

    values = np.array([1.0, 2.0, 40.0])
    plot_values(
        tmp_path / "p.png", [Panel("a", "fat", values, values, values - 30, values + 30)] * 3
    )
    picture = imread(tmp_path / "p.png")
    assert (picture[[0, -1]] == 1).all()
    assert (picture[:, [0, -1]] == 1).all()


def test_filters_over_gaps_are_told(tmp_path):
    table, told = _table(30), []
    axis = table.wavelengths_nm + 100 * (np.arange(40) > 19)
    filtered = replace(QUICK, preprocessing="savgol(5,2,1)", epochs=1)
    train_table(
        replace(table, wavelengths_nm=axis), tmp_path / "m.safetensors", "cnn1d",
        TableOptions(("fat",)), filtered, told.append,
    )  # fmt: skip
    said = [event.message for event in told if isinstance(event, Warned)]
    assert [text.partition(" so ")[0] for text in said[:1]] == [
        "meat: savgol takes bands as equally spaced, but their steps run from 10 to 110 nm,"
    ]


@pytest.mark.parametrize(
    ("size", "stated", "on_card", "warned"),
    [
        (0.1, None, "reflectance", 0),
        (4.5, None, "as measured", 1),
        (4.5, "absorbance", "absorbance", 0),
    ],
)
def test_what_is_too_large_for_a_reflectance_is_not_called_one(
    tmp_path, size, stated, on_card, warned
):
    table, told = _table(30), []
    spectra = size * (1 + 0.01 * table.spectra)
    options = TableOptions(("fat",), quantity=stated)
    trained = train_table(
        replace(table, spectra=spectra),
        tmp_path / "m.safetensors",
        "pls",
        options,
        Settings(),
        told.append,
    )
    assert trained.card.quantity == on_card
    said = [event.message for event in told if isinstance(event, Warned)]
    assert ["`quantity=`" in text for text in said] == [True] * warned
