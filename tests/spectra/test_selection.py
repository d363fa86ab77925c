"""Samples that learn and test are selected as Kennard and Stone, Galvao and Snee describe it."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import GeoRasterError, OptionError
from georaster_dl.spectra.scoring.selection import duplex_test, kennard_stone, latest
from georaster_dl.spectra.scoring.split import Division, split_rows
from georaster_dl.spectra.table.samples import SpectraTable


def distances(points):
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))


def farthest_pair(distance, among):
    pairs = [(distance[i, j], -i, -j) for i in among for j in among if i < j]
    _, i, j = max(pairs)
    return [-i, -j]


def next_one(distance, chosen, left):
    return max(left, key=lambda i: (min(distance[i, j] for j in chosen), -i))


def kennard_stone_by_definition(distance, n):
    chosen = farthest_pair(distance, range(len(distance)))
    while len(chosen) < n:
        left = [i for i in range(len(distance)) if i not in chosen]
        chosen.append(next_one(distance, chosen, left))
    return chosen


def duplex_by_definition(distance, n):
    left = list(range(len(distance)))
    sets = []
    for _ in range(2):
        sets.append(farthest_pair(distance, left))
        left = [i for i in left if i not in sets[-1]]
    turn = 0
    while len(sets[1]) < n:
        sets[turn].append(next_one(distance, sets[turn], left))
        left.remove(sets[turn][-1])
        turn = 1 - turn
    return sets[1]


@pytest.mark.parametrize("seed", range(4))
def test_selections_are_those_of_their_definitions(seed):
    generator = np.random.default_rng(seed)
    spectra, values = generator.normal(size=(40, 5)), generator.normal(size=(40, 2))
    x, y = distances(spectra), distances(values)
    assert kennard_stone(spectra, 25).tolist() == kennard_stone_by_definition(x, 25)
    joint = x / x.max() + y / y.max()
    assert kennard_stone(spectra, 25, values).tolist() == kennard_stone_by_definition(joint, 25)
    assert duplex_test(spectra, 11).tolist() == duplex_by_definition(x, 11)


def test_kennard_stone_on_a_line_takes_the_ends_then_the_middle():
    line = np.array([[0.0], [1], [2], [3], [4.1], [5], [6], [7], [8]])
    assert kennard_stone(line, 3).tolist() == [0, 8, 4]
    assert duplex_test(line, 3).tolist() == [1, 7, 3]


def test_the_latest_test_with_all_of_their_day():
    days = np.array(["2023-05-01", "2023-06-01", "2023-06-01", "2023-04-01"], "datetime64[D]")
    assert latest(days, 1).tolist() == [1, 2]


def _table(n, **columns):
    spectra = np.random.default_rng(0).normal(size=(n, 9))
    return SpectraTable("t", np.arange(9.0), spectra, pd.DataFrame(columns, range(n)))


@pytest.mark.parametrize("kind", ["random", "kennard-stone", "spxy", "duplex", "date"])
def test_no_split_divides_a_sample(kind):
    samples = np.random.default_rng(1).permutation(np.repeat(np.arange(30), 4))
    table = _table(120, fruit=samples, day=[f"2023-05-{1 + i // 5:02d}" for i in range(120)])
    values = np.random.default_rng(2).normal(size=(120, 1))
    split = split_rows(
        table, np.ones(120, bool), Division(kind, None, "fruit", "day"), values=values
    )
    tests = set(samples[split.test])
    assert not tests & set(samples[~split.test])
    assert 6 <= len(tests) <= 12
    for rows in split.validation:
        assert not set(samples[rows]) & set(samples[~rows])


def test_samples_are_selected_by_the_mean_of_their_spectra():
    table = _table(60, fruit=np.repeat(np.arange(20), 3))
    means = table.spectra.reshape(20, 3, 9).mean(axis=1)
    split = split_rows(table, np.ones(60, bool), Division("kennard-stone", group_column="fruit"))
    rest = sorted(set(range(20)) - set(kennard_stone(means, 16).tolist()))
    assert np.flatnonzero(split.test.reshape(20, 3).all(axis=1)).tolist() == rest
    assert split.description == "one fifth of the samples (fruit) tests, by Kennard-Stone"


def test_rows_that_are_not_known_are_not_selected():
    known = np.arange(60) % 3 > 0
    split = split_rows(_table(60), known, Division("duplex"))
    assert split.test.sum() == 8
    assert not (split.test & ~known).any()


@pytest.mark.parametrize(
    ("division", "message"),
    [
        (lambda: Division("kenstone"), "known are random, kennard-stone, spxy, duplex, date"),
        (lambda: Division("spxy", "part"), "leave one of them out"),
        (lambda: Division("date"), "needs a column of dates"),
    ],
)
def test_splits_that_cannot_be(division, message):
    with pytest.raises(OptionError, match=message):
        division()


def test_columns_that_select_nothing():
    rows = np.ones(20, bool)
    with pytest.raises(OptionError, match="SPXY selects by values"):
        split_rows(_table(20), rows, Division("spxy"))
    with pytest.raises(GeoRasterError, match="'soon', in column 'day' of t, is no date"):
        split_rows(_table(20, day=["soon"] * 20), rows, Division("date", date_column="day"))
    days = ["2023"] * 10 + ["2024"] * 9 + [None]
    with pytest.raises(OptionError, match="no date in 1 row"):
        split_rows(_table(20, day=days), rows, Division("date", date_column="day"))
    with pytest.raises(OptionError, match="All rows of t would test"):
        split_rows(_table(20, day=["2023-05-14"] * 20), rows, Division("date", date_column="day"))
    with pytest.raises(OptionError, match="4 or more are needed, but t has 2"):
        split_rows(
            _table(20, fruit=["a", "b"] * 10), rows, Division("duplex", group_column="fruit")
        )
