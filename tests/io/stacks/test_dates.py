"""Dates in names: where they are found, and what is none."""

from datetime import date

import pytest

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.io.stacks.dates import date_in_path, parse_date, spellings, without_dates

DAY = date(2023, 5, 14)


@pytest.mark.parametrize(
    "path",
    [
        "ndvi_2023-05-14.tif",
        "x/2023_05_14_B02.tif",
        "MOD13Q1.A2023134.h12v10.tif",
        "20230514T103021_B02.jp2",
        "S2B_MSIL2A_20230514T103021_N0509_R108_T31UFS_20230601T010101.SAFE",
        "LC08_L2SP_224068_20230514_20230601_02_T1_SR_B4.TIF",
        "20230514103021_x.tif",
        r"C:\2022-01-01\20230514.tif",
        "2022-01-01/2023-05-14/B02.tif",
        "2022-01-01/20230514/2023_100m_B02.tif",
        "p.2023.05.14.tif",
    ],
)
def test_the_first_date_of_the_nearest_name_counts(path):
    assert date_in_path(path) == DAY


@pytest.mark.parametrize(
    "path",
    [
        "scene_1.tif",
        "19991332.tif",
        "2023-02-30.tif",
        "2023000.tif",
        "120230514.tif",
        "2023366.tif",
    ],
)
def test_numbers_that_are_no_date(path):
    assert date_in_path(path) is None


def test_a_leap_year_has_a_last_day():
    assert date_in_path("2024366.tif") == date(2024, 12, 31)


def test_a_pattern_finds_another_date():
    path = "made_20240101_of_20230514.tif"
    assert date_in_path(path, r"of_(\d{8})") == DAY
    assert date_in_path("ndvi_2023-05.tif", r"_(\d{4}-\d\d)") == date(2023, 5, 1)


@pytest.mark.parametrize(
    ("pattern", "error", "said"),
    [
        (r"of_(\d{4}", OptionError, "is no regular expression"),
        (r"of_\d{8}", OptionError, "has no group"),
        (r"at_(\d{8})", SceneError, "is not in a_20230514.tif"),
        (r"a_(\d{3})", SceneError, "'202'.* is no date"),
    ],
)
def test_patterns_that_find_no_date(pattern, error, said):
    with pytest.raises(error, match=said):
        date_in_path("a_20230514.tif", pattern)


def test_text_that_is_no_date():
    with pytest.raises(
        SceneError, match=r"'May', the date of x, is no date; write it like 2023-05-14"
    ):
        parse_date("May", "the date of x")


def test_names_without_their_dates():
    assert without_dates("NDVI_20230514T103021_of_2023134.tif") == "NDVI__of_.tif"


def test_every_spelling_is_read_again():
    assert {date_in_path(spelt) for spelt in spellings(DAY)} == {DAY}


def test_a_stated_date_may_have_its_day_first():
    assert parse_date("14.05.2023", "x") == parse_date("14.5.2023 10:30", "x") == date(2023, 5, 14)
    with pytest.raises(SceneError, match=r"like 2023-05-14, 14\.05\.2023"):
        parse_date("05.14.2023", "x")
    assert date_in_path("v14.05.2023.tif") is None
