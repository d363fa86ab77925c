"""Dates of series as days since the start of their season."""

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.seasons import season_days, season_start_of


def dates(*texts):
    return np.array(texts, "datetime64[D]")


def test_days_are_counted_from_the_season_in_which_a_series_begins():
    days = season_days(dates("2013-09-14", "2013-12-19", "2014-08-29"), "09-01")
    assert days.tolist() == [13, 109, 362]
    assert days.dtype == np.float32


def test_two_years_of_one_crop_have_the_same_days():
    first = season_days(dates("2017-03-10", "2017-06-01"), "01-01")
    assert season_days(dates("2019-03-10", "2019-06-01"), "01-01").tolist() == first.tolist()


def test_a_series_of_two_years_goes_on():
    assert season_days(dates("2017-01-01", "2018-01-01"), "01-01").tolist() == [0, 365]


def test_a_series_may_begin_a_little_before_its_season():
    assert season_days(dates("2018-08-20", "2018-09-11"), "09-01").tolist() == [-12, 10]
    assert season_days(dates("2018-06-03"), "09-01").tolist() == [-90]
    assert season_days(dates("2018-06-02"), "09-01").tolist() == [274]


def test_each_series_has_a_season_of_its_own_and_the_order_of_dates_does_not_matter():
    some = np.array([["2018-04-01", "2018-02-01"], ["2020-01-15", "NaT"]], "datetime64[D]")
    assert season_days(some, "01-01").tolist() == [[90, 31], [14, 0]]


def test_series_without_a_date_have_none():
    assert season_days(dates("NaT", "NaT"), "01-01").tolist() == [0, 0]


@pytest.mark.parametrize("start", ["13-01", "9-1", "02-29", "2018-09-01", "02-30", ""])
def test_a_season_begins_on_a_day_of_every_year(start):
    with pytest.raises(OptionError, match="month and day, such as '09-01'"):
        season_days(dates("2018-01-01"), start)


def test_the_season_starts_where_most_series_begin():
    some = np.array([["2013-09-14", "2014-01-01"], ["2001-09-14", "NaT"], ["2001-03-01", "NaT"]])
    assert season_start_of(some.astype("datetime64[D]")) == "09-01"
    assert season_start_of(dates("2019-01-20", "2018-12-31")) == "12-01"


def test_a_season_start_needs_a_date():
    with pytest.raises(OptionError, match="at least one date"):
        season_start_of(dates("NaT"))
