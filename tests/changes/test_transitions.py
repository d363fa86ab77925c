"""Numbers, names and colours of changes, and their tally."""

import numpy as np
import pytest

from georaster_dl.changes.transitions import Tally, Transitions
from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from tests.mosaics import LEGEND


def many(n, first=0):
    return Legend(tuple(MapClass(first + i, f"c{i}", (i % 256, 0, 0)) for i in range(n)))


def test_unchanged_keeps_its_value_and_a_change_names_both_classes():
    numbering = Transitions(LEGEND)  # values 1, 3, 4
    assert [numbering.value(i, i) for i in range(3)] == [1, 3, 4]
    assert numbering.value(1, 2) == 204
    entry = numbering.entry(1 * numbering.size + 2)
    assert (entry.value, entry.name) == (204, "grass & low -> built-up")


@pytest.mark.parametrize("legend", [LEGEND, many(8), many(100, first=1), many(200), many(255)])
def test_every_change_has_a_number_of_its_own(legend):
    numbering = Transitions(legend)
    n = numbering.n
    values = [numbering.value(i, j) for i in range(n) for j in range(n)]
    values.append(numbering.entry(numbering.uncertain).value)
    assert len(set(values)) == n * n + 1
    assert max(values) < 65_535


def test_classes_that_cannot_be_numbered_are_refused():
    with pytest.raises(OptionError, match="more changes than a map can number"):
        Transitions(many(300))


def test_nodata_at_either_date_wins_over_everything():
    numbering = Transitions(LEGEND)
    n = numbering.n
    before = np.array([[0, 0, n, n, 0, n + 1]])
    after = np.array([[0, n, 1, n + 1, n + 1, 2]])
    nodata = numbering.size**2 - 1
    expected = [0, numbering.uncertain, numbering.uncertain, nodata, nodata, nodata]
    assert numbering.flat(before, after)[0].tolist() == expected


def test_the_tally_adds_up_pixels_areas_and_confidence():
    numbering = Transitions(LEGEND)
    tally = Tally(numbering)
    before, after = np.array([[0, 0, 1], [2, 2, 2]]), np.array([[0, 1, 1], [1, 1, 4]])
    pairs = numbering.flat(before, after)
    tally.add(pairs[:1], np.array([100.0]), np.array([[0.9, 0.4, 0.8]], np.float32))
    tally.add(pairs[1:], np.array([200.0]), np.array([[0.5, 0.7, 0.1]], np.float32))
    rows = {
        row.name: (row.pixels, row.area_m2, row.confidence) for row in tally.transitions(sure=True)
    }
    assert rows == {
        "built-up -> grass & low": (2, 400.0, pytest.approx(0.6)),
        "water -> grass & low": (1, 100.0, pytest.approx(0.4)),
        "water": (1, 100.0, pytest.approx(0.9)),
        "grass & low": (1, 100.0, pytest.approx(0.8)),
    }
    assert list(rows)[:2] == ["built-up -> grass & low", "water -> grass & low"]


def test_without_a_unit_there_are_no_areas():
    numbering = Transitions(LEGEND)
    tally = Tally(numbering)
    tally.add(np.array([[1]]), None, None)
    (row,) = tally.transitions(sure=False)
    assert (row.pixels, row.area_m2, row.confidence) == (1, None, None)


def test_a_class_called_uncertain_keeps_its_name():
    legend = Legend((MapClass(1, "Uncertain", (0, 0, 0)), MapClass(2, "b", (1, 1, 1))))
    numbering = Transitions(legend)
    assert numbering.entry(numbering.uncertain).name == "uncertain change"
