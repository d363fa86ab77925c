"""``--log``: what is told, as JSON lines with time and level, whatever the console shows."""

import json
from datetime import datetime


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_log_holds_all_runs_whatever_is_shown(geodl, model, scene, tmp_path):
    log = tmp_path / "runs.log"
    quiet = geodl("segment", scene, "-m", model, "-o", "a.tif", "--quiet", "--log", log)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    shown = geodl(
        "segment", scene, "-m", model, "-o", "b.tif", "--progress", "json", f"--log={log}"
    )
    refused = geodl("segment", scene, "-m", model, "-o", "b.tif", "--log", log)
    assert (shown.code, refused.code) == (0, 1)
    told = lines(log)
    names = [event["event"] for event in told if event["event"] != "progress"]
    assert names == ["start", "done", "start", "done", "error"]
    assert told[-1]["level"] == "error"
    assert told[-1]["message"] in refused.err
    for event in [*told, *shown.events]:
        assert datetime.fromisoformat(event["time"]).utcoffset() is not None
        assert event["level"] in ("info", "warning", "error")
    assert told[0]["level"] == "info"
    done = [event for event in told if event["event"] == "done"]
    assert [event["outputs"] for event in done] == [["a.tif"], ["b.tif"]]
    assert done[0]["sidecars"] == {"a.tif": ["a.tif.aux.xml", "a.qml"]}


def test_commands_without_progress_keep_one_too(geodl, model, scene, tmp_path):
    log = tmp_path / "runs.log"
    assert geodl("segment", scene, "-m", model, "-o", "a.tif").code == 0
    assert geodl("evaluate", "a.tif", "a.tif", "--log", log).code == 0
    assert geodl("sample-points", "a.tif", "-n", 200, "-o", "p.gpkg", "--log", log).code == 0
    assert [(event["event"], event["outputs"]) for event in lines(log)] == [
        ("done", []),
        ("done", ["p.gpkg"]),
    ]


def test_logs_that_are_refused_before_any_work(geodl, model, scene, tmp_path):
    before = scene.read_bytes()
    for log, why in (
        (scene, "is something else"),
        (tmp_path / "no" / "x.log", "does not exist; create it"),
        (tmp_path, "is a directory"),
    ):
        ended = geodl("segment", scene, "-m", model, "-o", "a.tif", "--log", log)
        assert ended.code == 1
        assert why in ended.err
    assert scene.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif"}


def test_a_log_that_fills_its_disk_ends_alone(geodl, model, scene, tmp_path, small_disk):
    disk = small_disk(64)
    log = disk / "x.log"
    log.write_bytes(b"{" + bytes(65535))
    ended = geodl("segment", scene, "-m", model, "-o", "a.tif", "--log", log)
    assert (ended.code, (tmp_path / "a.tif").is_file()) == (0, True)
    assert ended.err == f"geodl: warning: the log {log} ends here: No space left on device\n"
