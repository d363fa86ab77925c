"""Areas written with a unit."""

import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.tiling.area_text import parse_area


@pytest.mark.parametrize(
    ("text", "pixels"),
    [("12px", 12), ("0.5ha", 50), ("100 m2", 1), ("100m²", 1), ("0.2km2", 2000), ("1e-4 KM2", 1)],
)
def test_an_area_is_a_number_of_pixels_of_100_square_metres(text, pixels):
    assert parse_area(text, "min_area").pixels(100.0) == pytest.approx(pixels, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("12", "has no unit"),
        ("12 acres", "'acres'"),
        ("-1px", "not above 0"),
        ("0ha", "not above 0"),
        ("1e999ha", "not above 0"),
        ("ha", "is no area"),
        ("1..2ha", "is no area"),
        ("", "is no area"),
    ],
)
def test_what_is_no_area_is_refused_with_what_came_and_what_is_expected(text, fault):
    with pytest.raises(OptionError, match=rf"`sieve={text}`.*{fault}.*0\.5ha"):
        parse_area(text, "sieve")


def test_a_ground_area_needs_pixels_whose_size_is_known():
    assert parse_area("3px", "min_area").pixels(None) == 3
    with pytest.raises(OptionError, match=r"5ha is on the ground.*12px"):
        parse_area("5ha", "min_area").pixels(None)
