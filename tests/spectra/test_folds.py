"""Which spectra learn and which are measured on."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.scoring.folds import Folding, Samples, cross_validation, parts_by_column
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.tiling.split_blocks import NO_PART, TEST, TRAIN, VALIDATION


def parts(name, values, test=()):
    n = len(values)
    table = SpectraTable("t", np.arange(8.0), np.zeros((n, 8)), pd.DataFrame({name: values}))
    return parts_by_column(table, name, test).tolist()


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("typ", ["train", "Validation", "TEST", None], [TRAIN, VALIDATION, TEST, NO_PART]),
        ("set", ["cal", "cal", "prediction"], [TRAIN, TRAIN, TEST]),
        ("test", [0, 1, 0], [TRAIN, TEST, TRAIN]),
        ("train", [0.0, 1.0, np.nan], [TEST, TRAIN, NO_PART]),
        ("test_set", [True, False], [TEST, TRAIN]),
        ("year", [2011, 2013, 2012, 2013], [TRAIN, TEST, TRAIN, TEST]),
    ],
)
def test_columns_that_say_it(name, values, expected):
    assert parts(name, values) == expected


def test_named_values_test():
    assert parts("site", ["a", "b", "c", None], ["b", "c"]) == [TRAIN, TEST, TEST, NO_PART]
    with pytest.raises(OptionError, match="no value d; it has a, b"):
        parts("site", ["a", "b"], ["d"])


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("fold", [0, 1], "does not say which rows test"),
        ("site", ["a", "b"], "does not say which rows test"),
        ("test", [0, 0], "nothing to test"),
        ("typ", ["test", "val"], "nothing to train on"),
        ("year", [2013, 2013], "nothing to train on"),
    ],
)
def test_columns_that_do_not(name, values, message):
    with pytest.raises(OptionError, match=message):
        parts(name, values)


@given(
    st.lists(st.sampled_from([None, *"abcdefgh"]), min_size=6, max_size=40).filter(
        lambda names: len(set(names)) > 1
    ),
    st.booleans(),
    st.integers(2, 12),
)
def test_every_spectrum_is_measured_once_and_no_sample_is_divided(names, classed, n_folds):
    groups = np.array(names, object)
    classes = np.array(list("xy" * 20)[: len(names)], object) if classed else None
    folds = cross_validation(len(names), n_folds, groups=groups, classes=classes, seed=0)
    assert 2 <= len(folds) <= n_folds
    measured = np.concatenate([measured for _, measured in folds])
    np.testing.assert_array_equal(np.sort(measured), np.arange(len(names)))
    for learnt, measured in folds:
        assert not set(learnt) & set(measured)
        assert not {*groups[learnt]} & {*groups[measured]} - {None}


def test_classes_are_shared_out():
    classes = np.array(["rare"] * 3 + ["often"] * 30, object)
    folds = cross_validation(33, 5, groups=None, classes=classes, seed=1)
    assert len(folds) == 3
    for learnt, measured in folds:
        assert set(classes[learnt]) == set(classes[measured]) == {"rare", "often"}


def test_a_missing_sample_is_a_sample_of_its_own():
    folds = cross_validation(6, 3, groups=np.full(6, None), classes=None, seed=0)
    assert [len(measured) for _, measured in folds] == [2, 2, 2]


def test_one_sample_is_too_few():
    with pytest.raises(OptionError, match="2 spectra of 1"):
        cross_validation(2, 5, groups=np.array(["a", "a"], object), classes=None, seed=0)


KINDS = ["random", "venetian-blinds", "contiguous-blocks", "date"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_fold_divides_a_sample(kind):
    generator = np.random.default_rng(0)
    groups = generator.permutation(np.repeat(list("abcdefghijkl"), 4)).astype(object)
    dates = np.datetime64("2023-01-01") + generator.integers(0, 30, 48)
    (folds,) = Folding(kind, 4).divide(Samples(48, groups, None, dates), 0)
    assert len(folds) == 4
    measured = np.concatenate([measured for _, measured in folds])
    assert sorted(measured) == list(range(48))
    for learnt, measured in folds:
        assert not set(groups[learnt]) & set(groups[measured])


def measured_of(kind, n, n_folds, **more):
    (folds,) = Folding(kind, n_folds).divide(Samples(n, **more), 0)
    return [measured.tolist() for _, measured in folds]


def test_blinds_and_blocks_go_by_the_order_of_the_rows():
    assert measured_of("venetian-blinds", 7, 3) == [[0, 3, 6], [1, 4], [2, 5]]
    assert measured_of("contiguous-blocks", 7, 3) == [[0, 1, 2], [3, 4], [5, 6]]
    groups = np.array(["b", "b", "a", "a", "c"], object)
    assert measured_of("venetian-blinds", 5, 2, groups=groups) == [[0, 1, 4], [2, 3]]


def test_folds_of_dates_follow_time_and_keep_days_whole():
    days = np.array(["2024", "2022", "2023", "2022", "2023", "2024"], "datetime64[D]")
    assert measured_of("date", 6, 5, dates=days) == [[1, 3], [2, 4], [0, 5]]
    many = np.datetime64("2023-01-01") + np.repeat(np.arange(10), 3)
    assert measured_of("date", 30, 2, dates=many) == [list(range(15)), list(range(15, 30))]


def test_repeats_are_other_random_folds():
    first, second = Folding("random", 3, 2).divide(Samples(30), 0)
    assert [m.tolist() for _, m in first] != [m.tolist() for _, m in second]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("blinds",), "no way of cross-validation; known are random, venetian-blinds"),
        (("random", 1), "2 folds or more, once or more, but got 1 fold"),
        (("venetian-blinds", 5, 2), "the same in every repeat"),
    ],
)
def test_foldings_that_cannot_be(arguments, message):
    with pytest.raises(OptionError, match=message):
        Folding(*arguments)


def test_folds_of_dates_need_dates():
    with pytest.raises(OptionError, match="name it by `date_column=`"):
        Folding("date").divide(Samples(10), 0)
    with pytest.raises(OptionError, match="two dates or more"):
        Folding("date").divide(Samples(10, dates=np.full(10, np.datetime64("2023-05-14"))), 0)
