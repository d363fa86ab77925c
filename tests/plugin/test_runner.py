"""How the plugin starts geodl: with the real one wherever it can run, and plain Python for the rest."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import rasterio

from georaster_dl.testing import noise, write_model, write_scene
from georaster_dl_qgis.program.runner import CancelledError, GeodlError, clean_environment, run

ENDLESS = "time.sleep(10**6)"  # of a program that is ended by others
# What breaks another Python where QGIS's own environment leaks into it.
FOREIGN = {
    "PYTHONHOME": "/usr",
    "PYTHONPATH": "/usr/lib/python3/dist-packages",
    "PROJ_LIB": "/usr/share/proj",
    "PROJ_DATA": "/usr/share/proj",
    "GDAL_DATA": "/usr/share/gdal",
}


def python(code, **given):
    return run([sys.executable, "-c", code], environment=clean_environment(os.environ), **given)


@pytest.fixture
def heard():
    events, lines = [], []
    return {"event": lambda name, facts: events.append((name, facts)), "line": lines.append}, events, lines  # fmt: skip


@pytest.mark.slow
def test_a_scene_is_mapped_with_the_environment_of_qgis(geodl, tmp_path, heard):
    folder = tmp_path / "données de télédétection"
    folder.mkdir()
    scene, out = write_scene(folder / "scène 1.tif", noise()), folder / "carte é.tif"
    model = write_model(folder / "modèle.safetensors")
    told, events, _lines = heard
    command = [
        geodl,
        "segment",
        scene,
        "-m",
        model,
        "-o",
        out,
        "--progress",
        "json",
        "--parent-pipe",
    ]
    ended = run(command, environment=clean_environment({**os.environ, **FOREIGN}), **told)
    assert ended.code == 0
    names = [name for name, _facts in events]
    assert names[0] == "start"
    assert names[-1] == "done"
    assert events[-1][1]["outputs"] == [str(out)]
    progress = [facts["done"] for name, facts in events if name == "progress"]
    assert progress == sorted(progress)
    with rasterio.open(scene) as before, rasterio.open(out) as after:
        assert (after.crs, after.transform) == (before.crs, before.transform)


@pytest.mark.parametrize("name", ["PYTHONHOME", "PYTHONPATH"])
def test_the_environment_of_qgis_would_break_another_python(name, tmp_path):
    """Else the test above would prove nothing."""
    (tmp_path / "json.py").write_text("raise SystemExit('not my library')")
    foreign = {"PYTHONHOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}[name]
    dirty = {**os.environ, name: foreign}
    code = "import json; print(json.dumps([1]))"
    broken = subprocess.run(
        [sys.executable, "-c", code], env=dirty, capture_output=True, check=False
    )
    assert broken.returncode
    assert run([sys.executable, "-c", code], environment=clean_environment(dirty)).result == [1]


def test_a_clean_environment():
    dirty = {**FOREIGN, "Path": "/bin", "pythonhome": "x", "HOME": "/h", "GDAL_CACHEMAX": "64"}
    clean = clean_environment(dirty, {"OMP_NUM_THREADS": "3"})
    settings = {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1"}
    kept = {"Path": "/bin", "HOME": "/h", "GDAL_CACHEMAX": "64", "OMP_NUM_THREADS": "3"}
    assert clean == {**settings, **kept}
    assert dirty["PYTHONHOME"] == "/usr"  # given mappings are not changed


def test_an_error_of_geodl_is_its_own_sentence(geodl, tmp_path):
    command = [geodl, "segment", tmp_path / "nothing.tif", "--progress", "json"]
    with pytest.raises(GeodlError, match=r"^\S*nothing.tif does not exist; check the path"):
        run(command, environment=clean_environment(os.environ))
    # Commands without events say it on standard error alone.
    with pytest.raises(
        GeodlError, match=r"^There is no model file and no bundled model 'nonsense'"
    ):
        run([geodl, "models", "show", "nonsense"], environment=clean_environment(os.environ))


def test_results_events_and_text_are_told_apart(heard):
    told, events, lines = heard
    code = """
import sys
print('{"event": "warning", "message": "w"}')
print('{broken')
print('{"no event": 1}')
print('')
print('[1, 2]')
print('plain', file=sys.stderr)
"""
    ended = python(code, **told)
    assert events == [("warning", {"message": "w"})]
    assert sorted(lines) == ["plain", "{broken"]
    assert ended.result == [1, 2]


def test_accepted_statuses():
    assert python("raise SystemExit(3)", accepted=(0, 3)).code == 3
    assert python("raise SystemExit(4)").code == 4  # the map is there, something beside it is not
    with pytest.raises(
        GeodlError, match=r"crashed \(exit status 3\) without saying why.*first \| second"
    ):
        python("import sys; print('first'); print('second'); sys.exit(3)")


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    ("name", "hint"), [("SIGKILL", "memory runs out"), ("SIGSEGV", "report it")]
)
def test_a_signal_is_named(name, hint):
    code = f"import os, signal; os.kill(os.getpid(), signal.{name})"
    with pytest.raises(GeodlError, match=f"was ended by the signal {name}: .*{hint}"):
        python(code)


def test_what_cannot_be_started(tmp_path):
    missing = tmp_path / "geodl"
    with pytest.raises(GeodlError, match="does not exist; run 'Check or install geodl'"):
        run([missing], environment={})
    missing.write_text("no program")
    with pytest.raises(GeodlError, match="cannot be started"):
        run([missing], environment={})


def test_much_text_on_both_pipes_blocks_nobody(heard):
    told, _events, lines = heard
    code = "import sys\nfor i in range(20000): print(i); print(i, file=sys.stderr)"
    python(code, **told)
    assert len(lines) == 40000


def test_an_error_of_who_listens_ends_the_program():
    pids = []

    def fail(line):
        pids.append(int(line.split()[1]))
        raise ValueError("of ours")

    with pytest.raises(ValueError, match="of ours"):
        python(f"import os, time; print('pid', os.getpid(), flush=True); {ENDLESS}", line=fail)
    assert not psutil.pid_exists(pids[0])


def test_a_grandchild_that_keeps_the_pipes_open_is_not_waited_for():
    code = f"import subprocess, sys; print('pid', subprocess.Popen([sys.executable, '-c', 'import time; {ENDLESS}']).pid)"
    pids = []
    assert python(code, line=lambda line: pids.append(int(line.split()[1]))).code == 0
    grandchild = psutil.Process(pids[0])
    assert grandchild.status() != psutil.STATUS_ZOMBIE
    grandchild.kill()


@pytest.fixture
def large(tmp_path):
    """A scene on which geodl is busy for long, and a model."""
    scene = write_scene(tmp_path / "large.tif", noise((3000, 3000)))
    return scene, write_model(tmp_path / "model.safetensors")


def busy_command(geodl, large, out):
    scene, model = large
    return [geodl, "segment", scene, "-m", model, "-o", out, "--progress", "json", "--parent-pipe"]


@pytest.mark.slow
def test_cancelling_ends_geodl_and_leaves_nothing(geodl, large, tmp_path):
    out = tmp_path / "out" / "map.tif"
    out.parent.mkdir()
    started = []
    with pytest.raises(CancelledError):
        run(
            busy_command(geodl, large, out),
            environment=clean_environment(os.environ),
            event=lambda name, _facts: started.append(name),
            cancelled=lambda: bool(started),
            grace=float("inf"),  # it ends by itself
        )
    assert list(out.parent.iterdir()) == []


def test_a_program_that_does_not_listen_is_killed():
    code = f"import os, time; print('pid', os.getpid(), flush=True); {ENDLESS}"
    pids = []
    with pytest.raises(CancelledError):
        python(
            code,
            line=lambda line: pids.append(int(line.split()[1])),
            cancelled=lambda: bool(pids),
            grace=0.5,
        )
    assert not psutil.pid_exists(pids[0])


def test_what_was_done_when_it_was_cancelled_is_done():
    assert python("import sys; sys.stdin.read(); print('[1]')", cancelled=lambda: True).result == [
        1
    ]


PARENT = """
import json, os, sys
sys.path.insert(0, {root!r})
from georaster_dl_qgis.program.runner import clean_environment, run
run({command!r}, environment=clean_environment(os.environ),
    event=lambda name, facts: print(name, flush=True))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_geodl_ends_when_qgis_is_killed(geodl, large, tmp_path):
    out = tmp_path / "out" / "map.tif"
    out.parent.mkdir()
    command = [str(part) for part in busy_command(geodl, large, out)]
    code = PARENT.format(root=str(Path(__file__).parents[2]), command=command)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline().strip() == "start"
        children = psutil.Process(parent.pid).children()
        assert len(children) == 1
        os.kill(parent.pid, signal.SIGKILL)
    psutil.wait_procs(children)
    assert list(out.parent.iterdir()) == []
