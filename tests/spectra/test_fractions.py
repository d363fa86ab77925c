"""Fractions of a whole, learnt from tables of spectra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.file import read_card
from georaster_dl.spectra.network.loop import class_loss, fraction_loss
from georaster_dl.spectra.network.networks import SpectraFractions
from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.predict import predicted_table
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.report.from_training import training_content
from georaster_dl.spectra.report.words import limits
from georaster_dl.spectra.simulate.mixtures import simulate_mixtures
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.columns import TableOptions, learnable
from tests.spectra.simulate.made import LEVELS, library

NAMES = tuple(LEVELS)
FRACTIONS = TableOptions(targets=NAMES, fractions=True)
QUICK = Settings(members=2, epochs=6)
METHODS = ["pls", *(pytest.param(m, marks=pytest.mark.slow) for m in ("svm", "rf", "lwplsr"))]
NETWORKS = ["cnn1d", pytest.param("pls-net", marks=pytest.mark.slow)]


def silent(event):
    """Take an event and say nothing."""


def mixed(n: int = 120, seed: int = 0, **columns) -> SpectraTable:
    """Mix spectra of three classes; the table counts as measured."""
    table = simulate_mixtures(library(6), n=n, seed=seed, class_field="cover").table()
    frame = table.columns.drop(columns="synthetic").assign(**columns)
    return replace(table, name="plots", columns=frame)


@pytest.mark.parametrize("method", [*METHODS, *NETWORKS])
def test_predictions_are_fractions_and_the_package_gives_the_same(tmp_path, method):
    path = tmp_path / "cover.safetensors"
    trained = train_table(mixed(), path, method, FRACTIONS, QUICK, silent)
    assert trained.card.task == "fractions"
    assert [target.name for target in read_card(path).targets] == list(NAMES)
    predicted = trained.kept.predicted
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-6)
    assert predicted.min() >= 0
    out_of_fold = trained.kept.cross_validated.out_of_fold[:, trained.learnt]
    np.testing.assert_allclose(out_of_fold.sum(axis=2), 1, atol=1e-6)
    again = load_spectral_model(path).predict(mixed().spectra)
    np.testing.assert_allclose(again, predicted, atol=1e-4)  # a package is float32


def test_mixtures_are_unmixed_better_than_by_their_mean(tmp_path):
    trained = train_table(mixed(300), tmp_path / "m.safetensors", "pls", FRACTIONS, QUICK, silent)
    for name in NAMES:
        assert trained.kept.tested[name].r2 > 0.5
        assert trained.kept.tested[name].mae < trained.kept.tested[name].rmsep


def test_members_are_averaged_and_their_spread_is_given(tmp_path):
    path = tmp_path / "m.safetensors"
    trained = train_table(mixed(), path, "cnn1d", FRACTIONS, QUICK, silent)
    each = [trained.model.predict(mixed().spectra[:5])]
    members = []
    for network in trained.model.networks_:
        one = replace_members(trained.model, network)
        members.append(one.predict(mixed().spectra[:5]))
    np.testing.assert_allclose(each[0], np.mean(members, axis=0), atol=1e-9)
    values, spread = load_spectral_model(path).predict(mixed().spectra[:5], return_std=True)
    np.testing.assert_allclose(values, each[0], atol=1e-5)
    np.testing.assert_allclose(spread, np.std(members, axis=0), atol=1e-5)


def replace_members(model, network):
    """Copy an estimator with a single member."""
    one = SpectraFractions(**model.get_params())
    vars(one).update({**vars(model), "networks_": [network], "members": 1})
    return one


def test_ends_of_intervals_are_fractions_too(tmp_path):
    path = tmp_path / "m.safetensors"
    train_table(mixed(), path, "pls", FRACTIONS, QUICK, silent)
    columns = predicted_table(load_spectral_model(path), mixed()).columns
    ends = columns[[name for name in columns if "_lower_" in name or "_upper_" in name]]
    assert ends.shape[1] == 6
    assert 0 <= ends.to_numpy().min() <= ends.to_numpy().max() <= 1


def test_simulated_mixtures_teach_and_plots_test(tmp_path):
    simulated = simulate_mixtures(library(6), n=200, seed=5, class_field="cover").table()
    trained = train_table(
        mixed(30, seed=2), tmp_path / "m.safetensors", "pls", FRACTIONS, QUICK, silent, [simulated]
    )
    assert len(trained.table) == 30
    assert trained.card.training["simulated"].startswith("200 spectra")
    alone = train_table(
        mixed(30, seed=2), tmp_path / "n.safetensors", "pls", FRACTIONS, QUICK, silent
    )
    errors = [
        np.mean([one.kept.cross_validated.scores[name].rmsep for name in NAMES])
        for one in (trained, alone)
    ]
    assert errors[0] < errors[1]


def test_percents_are_divided_by_100_and_that_is_said():
    table = mixed(40)
    columns = table.columns.assign(**{name: 100 * table.columns[name] for name in NAMES})
    warnings = []
    found = learnable(replace(table, columns=columns), FRACTIONS, warnings.append)
    np.testing.assert_allclose(found, table.columns[list(NAMES)], atol=1e-12)
    assert "taken for percents" in warnings[0].message


def test_beside_a_single_fraction_is_the_rest(tmp_path):
    options = TableOptions(targets=("tree",), fractions=True)
    trained = train_table(mixed(60), tmp_path / "m.safetensors", "pls", options, QUICK, silent)
    assert [target.name for target in trained.card.targets] == ["tree", "other"]
    np.testing.assert_allclose(trained.kept.predicted.sum(axis=1), 1)


def test_a_row_that_lacks_a_fraction_is_not_known():
    table = mixed(40)
    table.columns.loc[3, "soil"] = np.nan
    assert np.isnan(learnable(table, FRACTIONS, silent)[3]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            TableOptions(targets=("tree", "soil"), fractions=True),
            "spectrum .* of plots sum to .*`targets=`",
        ),
        (TableOptions(class_column="tree", fractions=True), "name their columns with `targets=`"),
    ],
)
def test_what_is_no_fractions_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        learnable(mixed(40), options, silent)


def test_a_negative_fraction_is_refused():
    table = mixed(40)
    columns = table.columns.assign(tree=table.columns["tree"] - 0.5)
    with pytest.raises(OptionError, match="as fraction 'tree', but fractions are 0 to 1"):
        learnable(replace(table, columns=columns), FRACTIONS, silent)


def test_the_loss_of_a_pure_spectrum_is_cross_entropy():
    logits = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    classes = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    pure = torch.eye(3)[classes]
    torch.testing.assert_close(fraction_loss(logits.softmax(1), pure), class_loss(logits, classes))
    # It is least at the fractions themselves.
    shares = torch.tensor([[0.2, 0.3, 0.5]])
    assert fraction_loss(shares, shares) < fraction_loss(torch.tensor([[0.3, 0.3, 0.4]]), shares)


def test_the_estimator_refuses_what_does_not_sum_to_1():
    with pytest.raises(OptionError, match="of sum 1"):
        SpectraFractions(epochs=1).fit(np.ones((6, 12)), np.full((6, 2), 0.4))


def test_a_map_of_fractions(tmp_path):
    import georaster_dl as gdl
    from georaster_dl.testing import write_raster

    model = tmp_path / "m.safetensors"
    table = mixed(200)
    train_table(table, model, "pls", FRACTIONS, QUICK, silent)
    pixels = table.spectra[:64].T.reshape(12, 8, 8).astype(np.float32)
    write_raster(tmp_path / "cube.tif", pixels)
    gdl.segment(
        tmp_path / "cube.tif", model, out=tmp_path / "map.tif", wavelengths=tuple(table.wavelengths_nm),
        float32=True, report=silent,
    )  # fmt: skip
    shares = gdl.open_scene(tmp_path / "map.tif").read()
    assert [band.name for band in shares.bands[:3]] == list(NAMES)
    np.testing.assert_allclose(shares.array[:3].sum(axis=0), 1, atol=1e-5)
    expected = load_spectral_model(model).predict(table.spectra[:64]).T.reshape(3, 8, 8)
    np.testing.assert_allclose(shares.array[:3], expected, atol=1e-4)


def test_a_search_that_takes_all_latent_variables_it_tries_is_warned_of(tmp_path):
    random = np.random.default_rng(0)
    spectra = random.standard_normal((200, 60))
    shares = 1 / (1 + np.exp(-0.2 * spectra @ random.standard_normal(60)))
    frame = pd.DataFrame({"tree": shares, "soil": 1 - shares})
    table = SpectraTable("plots", 400.0 + np.arange(60), spectra * np.geomspace(1, 1e-3, 60), frame)
    options = TableOptions(targets=("tree", "soil"), fractions=True)

    def warned(settings):
        events = []
        train_table(table, tmp_path / "m.safetensors", "pls", options, settings, events.append)
        return any("which is where the search ends" in getattr(e, "message", "") for e in events)

    assert warned(QUICK)
    assert not warned(replace(QUICK, components=25))


def test_a_report_says_what_fractions_are_not_of_and_which_spectra_were_simulated(tmp_path):
    path = tmp_path / "m.safetensors"
    table = mixed(synthetic=True)
    trained = train_table(table, path, "pls", FRACTIONS, QUICK, silent)
    content = training_content(trained, load_spectral_model(path))
    assert ("Simulated", "all spectra of the table, those that test, too") in content.facts
    said = " ".join(limits(content))
    assert "For spectra of anything but grass, soil, tree" in said
    assert "below 0" not in said
