"""Foreign text is shown, and commands nothing."""

import csv
import io
import json
import sys

import numpy as np
import pytest
import rasterio
from geodl_cli.terminal import console

from georaster_dl.batches.report.write import SceneRow, write_report
from georaster_dl.core.bands import Band
from georaster_dl.core.legend import MapClass
from georaster_dl.core.text import cell, is_utf8, visible
from georaster_dl.io.labels.raster import stated_classes

EVIL = "\x1b]0;pwned\x07\x9b31m\nFAKE \u202egnp.exe"


def test_control_characters_are_written_as_in_json():
    assert visible("grün, Zürich, 水, \u200cnames\t") == "grün, Zürich, 水, \u200cnames\\u0009"
    shown = visible(EVIL)
    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == EVIL
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\u001b"
    assert visible("M\udcfcnster") == "M\\udcfcnster"


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "@SUM(A1)", "-x", "\t=1"])
def test_no_cell_begins_a_formula(text):
    assert cell(text).startswith(("'", "\\u0009"))


@pytest.mark.parametrize(
    "value", ["-1.5", "+3", "-1e-07", "1.5 %", "-", "-inf", "B02", "", 3, -2.5]
)
def test_numbers_and_names_stay_what_they_are(value):
    assert cell(value) == value


def test_names_that_are_no_text():
    assert is_utf8("Zürich.tif")
    assert not is_utf8("M\udcfcnster.tif")


def test_names_of_bands_and_classes_are_one_visible_line():
    for named in (Band(EVIL), MapClass(1, EVIL, (0, 0, 0))):
        assert named.name == visible(EVIL)


def test_the_class_names_of_a_foreign_map_are_visible(make_tif):
    path = make_tif(np.ones((1, 2, 2), np.uint8))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(CLASS_NAMES=json.dumps({"1": EVIL}))
    assert [entry.name for entry in stated_classes(path)] == [visible(EVIL)]
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(CLASS_NAMES="[" * 100_000)
    assert stated_classes(path) == []


def test_nothing_printed_commands_a_terminal(monkeypatch):
    written = io.BytesIO()
    terminal = io.TextIOWrapper(written, encoding="utf-8", line_buffering=True)
    monkeypatch.setattr(sys, "stdout", console._lasting(terminal))
    print(f"a\tline {EVIL}")
    console.rich_console().print("raw\x1b[0m", highlight=False)
    first, rest = written.getvalue().decode().split("\n", 1)
    assert first == "a\tline \\u001b]0;pwned\\u0007\\u009b31m"
    assert "raw\x1b[0m" in rest  # what rich draws with


def test_a_page_shows_foreign_text(tmp_path):
    row = SceneRow(EVIL, "failed", error=f"<b>{EVIL}", sources=("s.tif",))
    page = write_report(tmp_path, [row], {"model": EVIL})[0][0].read_text()
    assert not set("\x1b\x07\x9b\u202e") & set(page)
    assert "&lt;b&gt;\\u001b]0;pwned" in page


def test_no_cell_of_a_report_begins_a_formula(tmp_path):
    row = SceneRow("=1+1", "failed", error="@x\nsecond line", sources=("=s.tif",))
    files, _ = write_report(tmp_path, [row], {"model": "m"})
    table = next(path for path in files if path.suffix == ".csv").read_text()
    assert list(csv.reader(io.StringIO(table)))[1][:4] == [
        "'=1+1", "'=s.tif", "failed", "'@x\\u000asecond line",
    ]  # fmt: skip
