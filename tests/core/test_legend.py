import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import color_hex, parse_color


def test_colours_are_read_as_they_are_written():
    assert color_hex((1, 171, 255)) == "#01abff"
    assert parse_color("#01ABff") == parse_color("01abff") == (1, 171, 255)


@pytest.mark.parametrize("text", ["", "red", "#fff", "#1234567890", "#01abfg", "#01abff\n"])
def test_other_texts_are_no_colours(text):
    with pytest.raises(OptionError, match="#rrggbb is expected"):
        parse_color(text)
