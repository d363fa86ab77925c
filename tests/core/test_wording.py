"""Counts and lists in messages."""

import pytest

from georaster_dl.core.wording import counted, listed


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "pixel", "1 pixel"),
        (0, "pixel", "0 pixels"),
        (2000, "labelled pixel", "2,000 labelled pixels"),
        (2, "class", "2 classes"),
        (1, "class", "1 class"),
        (3, "spectrum", "3 spectra"),
        (2, "quantity", "2 quantities"),
        (2, "array", "2 arrays"),
    ],
)
def test_counted(number, noun, said):
    assert counted(number, noun) == said


def test_listed():
    assert listed(range(3), 3) == "0, 1, 2"
    assert listed(range(1003), 3) == "0, 1, 2 and 1,000 more"
