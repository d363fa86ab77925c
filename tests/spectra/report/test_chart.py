"""Charts: round ticks, places of points, labels that do not cover each other, foreign text."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from georaster_dl.spectra.report.axis import Axis
from georaster_dl.spectra.report.chart import Chart, Style
from tests.spectra.report.made import HOSTILE

BLUE = Style((0, 0, 200))
SVG = "{http://www.w3.org/2000/svg}"


def parsed(chart):
    """The chart as a browser would read it on its own."""
    return ET.fromstring(chart.svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))  # fmt: skip


def chart(x=(0.0, 10.0), y=(0.0, 1.0), **fields):
    return Chart("A chart", Axis("x (nm)", *x), Axis("y", *y), "What it shows.", **fields)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 10.4), (-6.2, 6.2), (0, 0.07), (1090, 2510), (0.9, 49.1), (-3e-7, 5e-7)]
)
def test_ticks_say_where_they_are(low, high):
    ticks = Axis("", low, high).ticks()
    assert 3 <= len(ticks) <= 9
    for value, text in ticks:
        assert low <= value <= high
        assert float(text.replace("\N{MINUS SIGN}", "-")) == pytest.approx(
            value, abs=1e-12 * abs(high)
        )


def test_ticks_of_counts_are_whole_numbers():
    assert [text for _, text in Axis("", 0.4, 4.6, whole=True).ticks()] == ["1", "2", "3", "4"]


def test_a_logarithmic_axis_has_a_tick_for_each_power_and_bears_zeros():
    axis = Axis("", 0.1, 1000, log=True)
    assert [text for _, text in axis.ticks()] == ["0.1", "1", "10", "100", "1000"]
    assert axis.share([0.0, 0.1, 10.0, 1000.0]).tolist() == pytest.approx([0, 0, 0.5, 1])


def test_the_first_category_is_on_top():
    axis = Axis.of_names("", ("first", "second"))
    assert axis.share(0) > axis.share(1)


def test_an_axis_of_one_value_has_room_around_it():
    axis = Axis.around("", [7.0, np.nan])
    assert axis.low < 7 < axis.high


def test_points_lie_where_their_axes_say_and_tell_their_names():
    drawn = chart()
    drawn.points([0, 10, np.nan], [0, 1, 0.5], BLUE, "all", tips=["low", "high", "nowhere"])
    circles = parsed(drawn).findall(f".//{SVG}circle")
    assert [circle.findtext(f"{SVG}title") for circle in circles] == ["low", "high"]
    inner = parsed(drawn).find(f".//{SVG}svg[@x]")
    low, high = ([float(c.get("cx")), float(c.get("cy"))] for c in circles)
    assert low == [0, float(inner.get("height"))]
    assert high == [float(inner.get("width")), 0]


def test_a_line_is_interrupted_where_a_value_is_not_known():
    drawn = chart()
    drawn.line([0, 1, 2, 3], [0, 1, np.nan, 0], BLUE)
    path = parsed(drawn).find(f".//{SVG}svg").find(f"{SVG}path").get("d")
    assert re.findall("[ML]", path) == ["M", "L", "M"]


def test_a_square_chart_has_sides_of_one_length():
    inner = parsed(chart(square=True)).find(f".//{SVG}svg[@x]")
    assert inner.get("width") == inner.get("height")


def test_a_label_that_would_cover_another_is_left_out():
    drawn = chart()
    for x, text in ((2.0, "one"), (2.05, "two"), (9.0, "three")):
        drawn.label(x, 0.5, text)
    named = [text.text for text in parsed(drawn).iter(f"{SVG}text") if text.get("class") == "name"]
    assert named == ["one", "three"]


def test_foreign_text_is_text():
    drawn = Chart(HOSTILE, Axis(HOSTILE, 0, 1), Axis.of_names(HOSTILE, (HOSTILE, "b")), HOSTILE)
    drawn.points([0.5], [0], BLUE, HOSTILE, tips=[HOSTILE])
    drawn.label(0.5, 0, HOSTILE)
    assert "<script" not in drawn.svg
    root = parsed(drawn)
    assert root.findtext(f"{SVG}title") == HOSTILE
    assert root.findtext(f".//{SVG}circle/{SVG}title") == HOSTILE


def test_a_chart_is_described_for_those_who_cannot_see_it():
    root = parsed(chart())
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "A chart"
    assert root.findtext(f"{SVG}desc") == "What it shows."
