"""Rows are divided so that nothing that tests was learnt from."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.scoring.split import Division, folds_of, split_rows
from georaster_dl.spectra.table.samples import SpectraTable


def _table(n, **columns):
    return SpectraTable("t", np.arange(9.0), np.zeros((n, 9)), pd.DataFrame(columns, range(n)))


def _disjoint(split):
    held_out = split.validation[0]
    learnt_from = split.train & ~held_out
    assert not (split.test & (split.train | split.calibration)).any()
    assert not (split.calibration & learnt_from).any()
    assert (split.validation <= split.train).all()
    return [int(rows.sum()) for rows in (learnt_from, held_out, split.test)]


def test_by_chance():
    known = np.arange(100) > 9
    split = split_rows(_table(100), known)
    assert _disjoint(split) == [57, 15, 18]
    assert not (split.train | split.test)[:10].any()
    assert (split.calibration == split.validation).all()
    assert len(split.validation) == 1
    assert not split.has_own_calibration
    again, other = split_rows(_table(100), known), split_rows(_table(100), known, seed=1)
    assert (again.test == split.test).all()
    assert (other.test != split.test).any()


def test_plenty_of_rows_spare_some_for_intervals():
    split = split_rows(_table(500), np.ones(500, bool))
    assert split.has_own_calibration
    assert _disjoint(split) == [288, 72, 100]
    assert split.calibration.sum() == 40
    assert (split.validation.sum(axis=0) == split.train).all()
    classes = np.array(["a", "b"] * 250, object)
    assert not split_rows(_table(500), np.ones(500, bool), classes=classes).has_own_calibration


def test_samples_stay_whole():
    samples = np.repeat(np.arange(30), 4)
    split = split_rows(
        _table(120, fruit=samples), np.ones(120, bool), Division(group_column="fruit")
    )
    for rows in (split.test, *split.validation):
        assert len(set(samples[rows]) & set(samples[~rows])) == 0
    assert split.description == "one fifth of the samples (fruit) tests, by chance"


def test_all_parts_have_all_classes():
    classes = np.array(["a"] * 80 + ["b"] * 20, object)
    split = split_rows(_table(100), np.ones(100, bool), classes=classes)
    assert [(classes[rows] == "b").sum() for rows in (split.test, split.validation[0])] == [
        4,
        3,
    ]


def test_by_a_column():
    parts = ["train"] * 20 + ["val"] * 5 + ["test"] * 5
    known = np.ones(30, bool)
    known[[0, 29]] = False
    assert _disjoint(split_rows(_table(30, typ=parts), known, Division(split_column="typ"))) == [
        19,
        5,
        4,
    ]
    years = [2019] * 20 + [2020] * 5
    split = split_rows(_table(25, year=years), np.ones(25, bool), Division(split_column="year"))
    assert _disjoint(split) == [16, 4, 5]


def test_too_few_rows():
    with pytest.raises(OptionError, match="t has 9 spectra whose value is known, but at least 10"):
        split_rows(_table(20), np.arange(20) < 9)
    parts = ["train"] * 12 + ["val"] * 5 + ["test"] * 5
    with pytest.raises(OptionError, match="No row of t that tests has a known value"):
        split_rows(_table(22, typ=parts), np.arange(22) < 17, Division(split_column="typ"))
    with pytest.raises(OptionError, match="has 8 spectra whose value is known and that are learnt"):
        split_rows(_table(22, typ=parts), np.arange(22) > 3, Division(split_column="typ"))


def test_folds_cover_the_rows():
    rows = np.arange(30) % 3 > 0
    folds = folds_of(rows, 4, None, None, 0)
    assert (np.sum(folds, axis=0) == rows).all()
