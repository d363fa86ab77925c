"""The content of a training's report: its numbers are those of the training."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.report.content import TEST, TRAINING
from georaster_dl.spectra.report.from_training import training_content
from georaster_dl.spectra.report.page import render_report
from georaster_dl.spectra.scoring.split import Division
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.columns import TableOptions
from tests.spectra.made import chemistry

BANDS = 24
N = 90


def table_of(**columns):
    spectra, values = chemistry(N, BANDS, targets=2)
    frame = pd.DataFrame({"fat": values[:, 0], "water": values[:, 1], **columns})
    return SpectraTable("meat", 1000.0 + 20 * np.arange(BANDS), spectra, frame)


def trained_on(table, path, method="pls", preprocessing="snv", **options):
    settings = Settings(preprocessing, members=1, epochs=2)
    options = TableOptions(**options)
    trained = train_table(table, path, method, options, settings, lambda event: None)
    return trained, training_content(trained, load_spectral_model(path))


def rmse(errors):
    return float(np.sqrt(np.mean(errors**2)))


@pytest.fixture(scope="module")
def of_values(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "fat.safetensors"
    table = table_of(farm=[f"farm {i % 15}" for i in range(N)])
    table.columns.loc[3, "fat"] = np.nan
    return trained_on(table, path, targets=("fat",), division=Division(group_column="farm"))


def test_parts_are_those_of_the_split(of_values):
    trained, content = of_values
    part = content.samples.part
    assert (part == TEST).tolist() == trained.split.test.tolist()
    assert (part == TRAINING).tolist() == trained.learnt.tolist()
    assert part[3] == "left out"
    assert ("Left out", "1 row without a value") in content.facts
    assert content.samples.groups[16] == "farm 1"


def test_errors_follow_from_the_values_that_are_drawn(of_values):
    trained, content = of_values
    (result,) = content.values
    errors = result.predicted - result.measured
    part = content.samples.part
    assert rmse(errors[part == TEST]) == pytest.approx(result.scores.rmsep)
    assert rmse(errors[part == TRAINING]) == pytest.approx(result.errors["RMSECV"])
    assert trained.card.metrics["RMSECV fat"] == pytest.approx(result.errors["RMSECV"], abs=1e-6)
    half = (result.upper - result.lower)[part == TEST] / 2
    interval = trained.intervals[0]
    assert half.tolist() == pytest.approx([interval.factor * interval.floor] * len(half))
    assert np.isnan(result.upper[part == TRAINING]).all()


def test_the_curve_ends_at_the_error_of_the_fit(of_values):
    trained, content = of_values
    (result,) = content.values
    curve = result.curve
    assert len(curve.fitted) == curve.chosen
    assert curve.fitted[-1] == pytest.approx(result.errors["RMSEC"])
    assert (np.diff(curve.fitted) <= 1e-12).all()
    assert curve.chosen == trained.kept.cross_validated.settings[0]["n_components"]


def test_samples_of_the_training_are_mostly_within_the_limits(of_values):
    _, content = of_values
    training = content.samples.part == TRAINING
    within = content.distances.t2[training] <= content.distances.t2_limits[0.99]
    assert within.mean() > 0.95
    assert content.distances.scores.shape[0] == N


def test_the_page_names_the_quantity_and_the_test_of_groups(of_values):
    _, content = of_values
    page = render_report(content)
    assert "<b>Residuals by group</b>" in page
    assert "<b>Regression coefficients</b>" in page
    assert "Comparison of methods" not in page


@pytest.mark.slow
def test_methods_are_compared_with_the_kept_one(tmp_path):
    trained, content = trained_on(
        table_of(), tmp_path / "m.safetensors", "cnn1d", targets=("fat", "water")
    )
    assert set(content.methods) == {"fat", "water"}
    kept, other = content.methods["water"]
    assert (kept.name, kept.kept, kept.p_value) == ("cnn1d", True, None)
    assert other.name == "pls"
    assert 0 <= other.p_value <= 1
    assert other.test == trained.methods[1].tested["water"].rmsep
    assert other.cv_se == trained.methods[1].cross_validated.errors["water"]
    page = render_report(content)
    assert page.count("<b>Predicted against measured</b>") == 2


def test_classes_have_their_scores_and_the_weights_of_wavelengths(tmp_path):
    _, values = chemistry(N, BANDS, targets=2)
    table = table_of(kind=np.where(values[:, 0] > 0, "rich", "poor"))
    trained, content = trained_on(table, tmp_path / "k.safetensors", class_column="kind")
    assert content.classes.scores == trained.kept.tested["kind"]
    assert [each.name for each in content.classes.importance] == ["poor", "rich"]
    page = render_report(content)
    assert "<b>VIP by class</b>" in page
    assert "Confusion matrix" in page
