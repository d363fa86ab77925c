"""Splits of samples by columns, regions, years, groups and chance."""

from dataclasses import replace

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.timeseries.learning.options import SplitOptions
from georaster_dl.timeseries.learning.split import plan_split
from tests.timeseries.made import crops


def plan(samples=None, **options):
    return plan_split(samples or crops(), SplitOptions(**options), "01-01", 0)


def regions(samples, rows):
    return set(samples.groups.region[rows])


def assert_apart(fold):
    assert not (fold.train & fold.validation).any()
    assert not ((fold.train | fold.validation) & fold.test).any()


def test_by_chance_all_classes_are_in_all_parts_and_the_leak_is_said():
    samples = crops()
    made = plan(samples)
    (fold,) = made.folds
    assert_apart(fold)
    assert fold.test.sum() == 12
    for part in (fold.train, fold.validation, fold.test):
        assert set(samples.labels[part]) == {0, 1, 2}
    assert "close to others" in made.caution
    assert made.final is None


def test_a_region_that_is_left_out_teaches_nothing():
    samples = crops()
    made = plan(samples, leave_out="region=east")
    (fold,) = made.folds
    assert_apart(fold)
    assert regions(samples, fold.test) == {"east"}
    assert regions(samples, fold.train | fold.validation) == {"west"}
    assert made.caution == ""


def test_each_region_is_left_out_in_turn():
    samples = crops()
    made = plan(samples, leave_out="region")
    assert [fold.name for fold in made.folds] == ["region east", "region west"]
    assert [regions(samples, fold.test) for fold in made.folds] == [{"east"}, {"west"}]
    assert regions(samples, made.final.train) == {"east", "west"}
    assert not made.final.test.any()


def test_years_are_those_in_which_seasons_begin():
    samples = crops()
    dates = samples.sensors[0].dates.copy()
    dates[:20] += np.timedelta64(365, "D")
    samples = replace(samples, sensors=(replace(samples.sensors[0], dates=dates),))
    (fold,) = plan(samples, leave_out="year=2018").folds
    assert np.flatnonzero(fold.test).tolist() == list(range(20))


def test_groups_stay_whole():
    samples = crops()
    made = plan(samples, group="parcel", folds=3)
    assert len(made.folds) == 3
    assert made.caution == ""
    for fold in made.folds:
        assert_apart(fold)
        parts = [samples.groups.parcel[rows] for rows in (fold.train, fold.validation, fold.test)]
        assert sum(part.nunique() for part in parts) == 30
    assert (np.sum([fold.test for fold in made.folds], axis=0) == 1).all()


def test_a_column_says_what_tests():
    samples = crops()
    split = np.resize(["train", "train", "train", "val", "test"], 60)
    samples = replace(samples, groups=samples.groups.assign(split=split))
    (fold,) = plan(samples, column="split").folds
    assert (fold.test == (split == "test")).all()
    assert (fold.validation == (split == "val")).all()
    assert (fold.train == (split == "train")).all()


def test_samples_without_a_label_are_in_no_part():
    samples = crops()
    labels = samples.labels.copy()
    labels[::7] = -1
    (fold,) = plan(replace(samples, labels=labels)).folds
    assert not (fold.train | fold.validation | fold.test)[::7].any()


def test_rare_classes_do_not_change_the_number_of_folds():
    samples = crops()
    labels = np.where(np.arange(60) == 5, 2, samples.labels % 2)
    made = plan(replace(samples, labels=labels), folds=5)
    assert [int(fold.test.sum()) for fold in made.folds] == [12] * 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leave_out": "region=north"}, r"no value 'north'.* it has east, west"),
        ({"leave_out": "regio"}, r"no column 'regio' \(did you mean 'region'\?\)"),
        ({"leave_out": "year"}, "has 1 value"),
        ({"group": "field"}, "no column 'field'"),
        ({"column": "split", "folds": 3}, "is a split already"),
        ({"leave_out": "region", "folds": 3}, "leaves each value out in turn"),
        ({"folds": 1}, "2 or more"),
        ({"column": "region"}, "does not say which rows test"),
    ],
)
def test_splits_that_cannot_be_made_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        plan(**options)


def test_too_few_samples_are_refused():
    with pytest.raises(OptionError, match="9 samples with a known label"):
        plan(crops(9))
