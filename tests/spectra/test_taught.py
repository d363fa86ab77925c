"""Simulated rows learn in every fold and take part in nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Warned
from georaster_dl.spectra.compare import compare
from georaster_dl.spectra.registry import Rows, Settings, fit_method
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.columns import TableOptions
from georaster_dl.spectra.training.taught import measured_rows, separated

NM = np.linspace(1000, 1390, 16)
QUICK = Settings(members=2, epochs=4)
VALUES = TableOptions(targets=("fat",))
CLASSES = TableOptions(class_column="kind")


def made(n: int, seed: int, *, slope: float = 1.0, **columns) -> SpectraTable:
    """Make spectra whose second shape is fat, times a slope, with a class of each half."""
    random = np.random.default_rng(seed)
    factors = random.random((n, 2))
    shapes = np.stack([np.sin(NM / 60), np.cos(NM / 25)])
    spectra = 1 + factors @ shapes + 0.01 * random.standard_normal((n, len(NM)))
    fat = slope * factors[:, 1]
    frame = pd.DataFrame({"fat": fat, "kind": np.where(factors[:, 0] > 0.5, "rich", "poor")})
    return SpectraTable(f"made{seed}", NM, spectra, frame.assign(**columns))


def trained(tmp_path, table, options, method="pls", added=(), settings=QUICK, warnings=None):
    report = (lambda event: None) if warnings is None else warnings.append
    return train_table(table, tmp_path / "m.safetensors", method, options, settings, report, added)


def in_one_table(measured: SpectraTable, simulated: SpectraTable) -> SpectraTable:
    """Put simulated rows between measured ones, marked as such."""
    order = np.random.default_rng(9).permutation(len(measured) + len(simulated))
    columns = pd.concat(
        [measured.columns.assign(synthetic=False), simulated.columns.assign(synthetic=True)]
    )
    return replace(
        measured,
        spectra=np.concatenate([measured.spectra, simulated.spectra])[order],
        columns=columns.iloc[order].reset_index(drop=True),
    )


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("svm", "rf", "lwplsr", "cnn1d")]


@pytest.mark.parametrize("method", ["pls", *SLOW, pytest.param("pls-net", marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", [VALUES, CLASSES], ids=["values", "classes"])
def test_no_simulated_row_tests_validates_or_calibrates(tmp_path, method, options):
    table = in_one_table(made(60, 1), made(90, 2))
    result = trained(tmp_path, table, options, method)
    assert len(result.table) == 60
    assert not result.table.columns["synthetic"].any()
    split = result.split
    for rows in (split.test, split.validation[0], split.calibration, split.learnt):
        assert len(rows) == 60
    for tried in result.methods:
        assert tried.cross_validated.out_of_fold.shape[1] == 60
        assert len(tried.predicted) == 60


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pls", "svm", "cnn1d"])
def test_simulated_rows_of_a_table_and_added_ones_are_the_same(tmp_path, method):
    measured, simulated = made(60, 1), made(40, 2)
    added = trained(tmp_path, measured, VALUES, method, [simulated])
    marked = replace(measured, columns=measured.columns.assign(synthetic=False))
    inside = trained(
        tmp_path,
        replace(
            marked,
            spectra=np.concatenate([marked.spectra, simulated.spectra]),
            columns=pd.concat(
                [marked.columns, simulated.columns.assign(synthetic=True)], ignore_index=True
            ),
        ),
        VALUES,
        method,
    )
    np.testing.assert_allclose(added.kept.predicted, inside.kept.predicted, rtol=1e-6)
    np.testing.assert_array_equal(added.split.test, inside.split.test)


@pytest.mark.parametrize("method", ["pls", *SLOW])
def test_simulated_rows_are_learnt_from_in_the_model_and_in_every_fold(tmp_path, method):
    settings = replace(QUICK, epochs=30)
    plain = trained(tmp_path, made(60, 1), VALUES, method, settings=settings)
    # Rows that contradict the measured ones, so learning from them shows as an error.
    wrong = trained(tmp_path, made(60, 1), VALUES, method, [made(120, 2, slope=-1)], settings)
    for of in (lambda r: r.kept.tested["fat"], lambda r: r.kept.cross_validated.scores["fat"]):
        assert of(wrong).rmsep > 1.5 * of(plain).rmsep


@pytest.mark.slow
def test_helpful_rows_help(tmp_path):
    few = made(20, 1)
    alone = trained(tmp_path, few, CLASSES, "svm").kept.tested["kind"].macro_f1
    more = trained(tmp_path, few, CLASSES, "svm", [made(200, 2)]).kept.tested["kind"].macro_f1
    assert more >= alone


def test_the_card_says_how_many_only_learnt(tmp_path):
    card = trained(tmp_path, made(60, 1), VALUES, "pls", [made(40, 2)]).card
    assert card.training["simulated"] == "40 spectra of made2, which only learnt"
    assert "simulated" not in trained(tmp_path, made(60, 1), VALUES, "pls").card.training


def test_limits_of_classes_are_of_measured_spectra(tmp_path):
    result = trained(tmp_path, made(80, 1), CLASSES, "pls", [made(300, 2)])
    known = [limits for limits in result.card.class_limits if limits is not None]
    assert known
    assert sum(limits.spectra for limits in known) == result.learnt.sum()


def test_a_table_of_simulated_spectra_alone_is_tested_on_them_and_that_is_said_loudly(tmp_path):
    warnings = []
    table = made(60, 1, synthetic=True)
    result = trained(tmp_path, table, VALUES, warnings=warnings)
    said = [event.message for event in warnings if isinstance(event, Warned)]
    assert any("say nothing of real spectra" in message for message in said)
    assert result.card.limitations.startswith("All spectra of the table were simulated")
    assert result.split.test.sum() == 12


def test_groups_dates_and_columns_of_splits_may_be_missing_in_added_tables(tmp_path):
    parts = np.where(np.arange(60) % 4 == 0, "test", "train")
    measured = made(60, 1, sample=np.arange(60) // 2, part=parts)
    division = replace(VALUES.division, split_column="part", group_column="sample")
    options = replace(VALUES, division=division)
    settings = replace(QUICK, preprocessing="epo(1)")
    result = trained(tmp_path, measured, options, "pls", [made(40, 2)], settings)
    assert result.split.test.sum() == 15


def test_added_tables_may_have_more_wavelengths_but_no_fewer(tmp_path):
    wide = made(40, 2)
    narrow = made(60, 1).bands(np.arange(2, 14))
    assert trained(tmp_path, narrow, VALUES, "pls", [wide]).kept.tested["fat"].n == 12
    with pytest.raises(OptionError, match="made2 has 12 wavelengths"):
        trained(tmp_path, made(60, 1), VALUES, "pls", [wide.bands(np.arange(2, 14))])


def test_rows_without_a_target_are_left_out_and_counted(tmp_path):
    simulated = made(40, 2)
    simulated.columns.loc[:4, "fat"] = np.nan
    warnings = []
    result = trained(tmp_path, made(60, 1), VALUES, "pls", [simulated], warnings=warnings)
    assert any("5 of 40 simulated spectra left out" in str(event) for event in warnings)
    assert result.card.training["simulated"].startswith("35 spectra")


def test_a_selection_of_bands_would_test_on_them(tmp_path):
    settings = replace(QUICK, select="ipls")
    with pytest.raises(OptionError, match=r"`select='ipls'` .* simulated spectra would test"):
        trained(tmp_path, made(60, 1), VALUES, "pls", [made(40, 2)], settings)


def test_a_comparison_tests_measured_rows_alone():
    table = in_one_table(made(40, 1), made(60, 2))
    results = compare(table, VALUES, ["pls"], QUICK, n_seeds=1, report=lambda event: None)
    tested = table.rows(results[0].rows)
    assert not tested.columns["synthetic"].any()
    np.testing.assert_array_equal(tested.target("fat"), results[0].measured)


def test_the_settings_of_a_method_are_judged_by_measured_rows():
    measured, wrong = made(20, 1), made(30, 2, slope=-1)
    _, taught = separated(measured, [wrong], VALUES, QUICK, lambda event: None)
    rows = Rows(measured.spectra, measured.target("fat"), NM, None, np.zeros((1, 20), bool))
    both = taught.beside(rows, np.ones(20, bool))
    assert (len(both.spectra), both.taught, both.validation.shape) == (50, 30, (1, 50))
    fitted = fit_method("svm", both, QUICK)
    assert fitted.predict(measured.spectra).shape == (20, 1)


def test_scores_leave_simulated_rows_out():
    warnings = []
    table = in_one_table(made(4, 1), made(6, 2))
    assert len(measured_rows(table, warnings.append)) == 4
    assert "6 of 10 spectra left out that were simulated" in warnings[0].message
    assert len(measured_rows(made(5, 1, synthetic=True), warnings.append)) == 5
    assert "say nothing of real spectra" in warnings[1].message
