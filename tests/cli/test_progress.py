"""How a run tells its progress, and how it ends when it is told to."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from georaster_dl.testing import SHAPE, noise, write_model, write_scene
from tests.cli.conftest import leftovers, start

EVENTS = {"start", "progress", "warning", "done", "error"}


def test_json_lines(geodl, model, scene, narrow_memory):
    narrow_memory(64)
    ended = geodl("segment", scene, "-m", model, "--progress=json", "--confidence")
    assert (ended.code, ended.err) == (0, "")
    events = ended.events
    assert {event["event"] for event in events} <= EVENTS
    first, last = events[0], events[-1]
    assert first["event"] == "start"
    assert {"scene", "model", "tiles", "tile", "halo", "device"} <= first.keys()
    assert (first["rows"], first["cols"]) == SHAPE
    assert first["tiles"] > 4
    progress = [event for event in events if event["event"] == "progress"]
    done = [event["done"] for event in progress]
    assert done == sorted(done)
    assert done[-1] == progress[-1]["total"] == SHAPE[0] * SHAPE[1]
    assert all(event["mpx_per_s"] >= 0 and event["seconds_left"] >= 0 for event in progress)
    assert last["event"] == "done"
    assert last["outputs"] == ["scene_landcover_confidence.tif", "scene_landcover.tif"]
    assert sum(last["classes"].values()) == (noise()[0] != 0).sum()


@pytest.mark.parametrize("spelling", [["--progress", "json"], ["--progress=json"]])
@pytest.mark.parametrize("problem", ["missing.tif", "--bad-option", "model"])
def test_json_tells_the_error(geodl, model, scene, spelling, problem):
    arguments = {
        "missing.tif": ["missing.tif", "-m", model],
        "--bad-option": [scene, "--bad-option"],
        "model": [scene, "-m", "no-such-model"],
    }[problem]
    ended = geodl("segment", *arguments, *spelling)
    assert ended.code == 1
    (event,) = ended.events
    assert event["event"] == "error"
    assert ended.err == f"geodl: {event['message']}\n"
    assert problem.strip("-") in event["message"]


def test_error_within_a_run_is_an_event_after_the_others(geodl, model, tmp_path):
    path = write_scene(tmp_path / "s.tif", noise() * 0)
    ended = geodl("segment", path, "-m", model, "--progress", "json")
    assert ended.code == 1
    assert [e["event"] for e in ended.events if e["event"] != "progress"] == ["start", "error"]


def test_warnings_are_events(geodl, tmp_path, scene):
    model = write_model(tmp_path / "careful.safetensors", limitations="Not for snow.")
    events = geodl("segment", scene, "-m", model, "--progress", "json").events
    warnings = [event for event in events if event["event"] == "warning"]
    assert [event["message"] for event in warnings] == ["careful: Not for snow."]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A scene of a size that takes the small model several seconds."""
    folder = tmp_path_factory.mktemp("large")
    return write_scene(folder / "large.tif", np.tile(noise((512, 512)), (1, 8, 8)), tiled=True)


def _running(model, large, folder, *extra):
    """A process in the midst of a run, its staging folder made."""
    process = start(
        "segment", large, "-m", model, "--progress", "json", *extra,
        cwd=folder, stdin=subprocess.PIPE,
    )  # fmt: skip
    for line in process.stdout:
        if json.loads(line)["event"] == "progress":
            break
    assert [p for p in folder.iterdir() if p.name.startswith(".geodl-")]
    assert process.poll() is None
    return process


def _ended(process):
    out, err = process.communicate(timeout=600)
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["message"]) == ("error", "cancelled")
    assert err.strip() == "geodl: cancelled"
    return process.returncode


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", ["parent", signal.SIGTERM, signal.SIGINT])
def test_cancelled_run_leaves_nothing(model, large, tmp_path, how):
    process = _running(model, large, tmp_path, *(["--parent-pipe"] if how == "parent" else []))
    if how == "parent":
        process.stdin.close()
        process.stdin = None
    else:
        process.send_signal(how)
    assert _ended(process) == 130
    assert leftovers(tmp_path) == {}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_killed_run_leaves_nothing_that_looks_finished(geodl, model, large, tmp_path):
    process = _running(model, large, tmp_path)
    process.kill()
    process.communicate(timeout=600)
    assert all(name.startswith(".geodl-") for name in leftovers(tmp_path))
    # And what it left stands in nobody's way.
    scene = write_scene(tmp_path / "large.tif", noise())
    assert geodl("segment", scene, "-m", model).code == 0


@pytest.mark.slow
def test_parent_pipe_that_stays_open_changes_nothing(model, tmp_path):
    scene = write_scene(tmp_path / "s.tif", noise())
    process = start(
        "segment", scene, "-m", model, "--parent-pipe", "--quiet",
        cwd=tmp_path, stdin=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.wait(timeout=600) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    assert (tmp_path / "s_landcover.tif").is_file()
