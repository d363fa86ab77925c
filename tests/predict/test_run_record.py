"""A record that anybody may have put there: what no run wrote is none."""

import copy
import json
import os
import sys

import pytest

from georaster_dl.batches.report.row import SceneRow
from georaster_dl.batches.run import _remove_left_out
from georaster_dl.predict.run_record import read_record

WHOLE = {
    "run": {"model": {"name": "m"}, "parameters": {"scene": {"bands": ["b1"], "nodata": 0}}},
    "files": [{"name": "s_map.tif", "bytes": 8}],
    "pixels": 4,
    "valid_pixels": 3,
    "classes": {"water": 3},
    "values": {"carbon": {"mean": 1, "min": 0.5, "max": 2, "std": 1}},
    "seconds": 1,
    "device": "cpu",
}


def _read(folder, record):
    path = folder / "s_map.json"
    path.write_text(json.dumps(record))
    return read_record(path)


def test_what_a_run_writes_is_read(tmp_path):
    assert _read(tmp_path, WHOLE) == WHOLE
    assert _read(tmp_path, {"run": {}, "files": []}) is not None


@pytest.mark.parametrize(
    "name",
    ["../victim", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "C:x", "a\0", 7, None, ["a"]],
)
def test_files_elsewhere_make_it_no_record(tmp_path, name):
    assert _read(tmp_path, WHOLE | {"files": [{"name": name, "bytes": 8}]}) is None


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("run", None),
        ("run", []),
        ("run", {"parameters": {"scene": {"bands": "b1"}}}),
        ("files", {}),
        ("files", [None]),
        ("files", [{"name": "a"}]),
        ("files", [{"name": "a", "bytes": "8"}]),
        ("files", [{"name": f"a{i}", "bytes": 8} for i in range(100)]),
        ("pixels", "many"),
        ("pixels", -1),
        ("valid_pixels", None),
        ("classes", [1]),
        ("classes", {"water": "x"}),
        ("values", {"carbon": {"mean": 1}}),
        ("seconds", {}),
    ],
)
def test_wrong_kinds_make_it_no_record(tmp_path, place, wrong):
    assert _read(tmp_path, copy.deepcopy(WHOLE) | {place: wrong}) is None


def test_what_cannot_be_read_is_no_record(tmp_path):
    path = tmp_path / "s_map.json"
    for content in (b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"null", b"[1]"):
        path.write_bytes(content)
        assert read_record(path) is None
    with path.open("wb") as file:
        file.truncate(2**30)
    assert read_record(path) is None
    path.unlink()
    path.mkdir()
    assert read_record(path) is None
    if sys.platform != "win32":
        path.rmdir()
        os.mkfifo(path)
        assert read_record(path) is None


def test_only_what_a_run_of_the_scene_can_have_made_is_removed(tmp_path):
    names = ["s_map_confidence.tif", "s_map_confidence.tif.aux.xml", "precious.txt"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "s_map_folder").mkdir()
    listed = [{"name": name, "bytes": 0} for name in (names[0], names[2], "s_map_folder")]
    row = SceneRow("s", "done", output=tmp_path / "s_map.tif", record={"files": []})
    events = []
    _remove_left_out({"files": listed}, row, tmp_path, events.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious.txt", "s_map_folder"]
    assert len(events) == 1
    assert "s_map_folder" in events[0].message
