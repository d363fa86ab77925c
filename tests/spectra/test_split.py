"""Rows are divided so that nothing that tests was learnt from."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.scoring.split import divide, folds_of
from georaster_dl.spectra.table.samples import SpectraTable


def _table(n, **columns):
    return SpectraTable("t", np.arange(9.0), np.zeros((n, 9)), pd.DataFrame(columns, range(n)))


def _disjoint(division):
    held_out = division.held_out[0]
    learnt_from = division.learnt & ~held_out
    assert not (division.test & (division.learnt | division.calibrated)).any()
    assert not (division.calibrated & learnt_from).any()
    assert (division.held_out <= division.learnt).all()
    return [int(rows.sum()) for rows in (learnt_from, held_out, division.test)]


def test_by_chance():
    known = np.arange(100) > 9
    division = divide(_table(100), known)
    assert _disjoint(division) == [57, 15, 18]
    assert not (division.learnt | division.test)[:10].any()
    assert (division.calibrated == division.held_out).all()
    assert len(division.held_out) == 1
    assert not division.spared
    again, other = divide(_table(100), known), divide(_table(100), known, seed=1)
    assert (again.test == division.test).all()
    assert (other.test != division.test).any()


def test_plenty_of_rows_spare_some_for_intervals():
    division = divide(_table(500), np.ones(500, bool))
    assert division.spared
    assert _disjoint(division) == [288, 72, 100]
    assert division.calibrated.sum() == 40
    assert (division.held_out.sum(axis=0) == division.learnt).all()
    classes = np.array(["a", "b"] * 250, object)
    assert not divide(_table(500), np.ones(500, bool), classes=classes).spared


def test_samples_stay_whole():
    samples = np.repeat(np.arange(30), 4)
    division = divide(_table(120, fruit=samples), np.ones(120, bool), group="fruit")
    for rows in (division.test, *division.held_out):
        assert len(set(samples[rows]) & set(samples[~rows])) == 0
    assert division.said == "one fifth of the fruit tests, by chance"


def test_all_parts_have_all_classes():
    classes = np.array(["a"] * 80 + ["b"] * 20, object)
    division = divide(_table(100), np.ones(100, bool), classes=classes)
    assert [(classes[rows] == "b").sum() for rows in (division.test, division.held_out[0])] == [
        4,
        3,
    ]


def test_by_a_column():
    parts = ["train"] * 20 + ["val"] * 5 + ["test"] * 5
    known = np.ones(30, bool)
    known[[0, 29]] = False
    assert _disjoint(divide(_table(30, typ=parts), known, split_column="typ")) == [19, 5, 4]
    years = [2019] * 20 + [2020] * 5
    division = divide(_table(25, year=years), np.ones(25, bool), split_column="year")
    assert _disjoint(division) == [16, 4, 5]


def test_too_few_rows():
    with pytest.raises(OptionError, match="t has 9 spectra whose value is known, but at least 10"):
        divide(_table(20), np.arange(20) < 9)
    parts = ["train"] * 12 + ["val"] * 5 + ["test"] * 5
    with pytest.raises(OptionError, match="No row of t that tests has a known value"):
        divide(_table(22, typ=parts), np.arange(22) < 17, split_column="typ")
    with pytest.raises(OptionError, match="has 8 spectra whose value is known and that are learnt"):
        divide(_table(22, typ=parts), np.arange(22) > 3, split_column="typ")


def test_folds_cover_the_rows():
    rows = np.arange(30) % 3 > 0
    folds = folds_of(rows, 4, None, None, 0)
    assert (np.sum(folds, axis=0) == rows).all()
