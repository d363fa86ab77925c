"""``geodl batch``: finished maps are right, unfinished ones absent, and a second run completes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio

from georaster_dl.testing import noise, write_model, write_scene
from tests.cli.conftest import start
from tests.predict.test_run import _same as same

SMALL = (90, 80)
TALL = (5000, 400)  # several strips
unix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture
def scenes(tmp_path):
    """Factory of a folder of small scenes."""

    def make(count, shape=SMALL):
        folder = tmp_path / "scenes"
        folder.mkdir()
        for i in range(count):
            write_scene(folder / f"s{i:02d}.tif", np.roll(noise(shape), i, axis=1))
        return folder

    return make


def rows(folder):
    """Status of every scene, from the report."""
    report = json.loads((folder / "batch.json").read_text())
    return {row["name"]: row["status"] for row in report["scenes"]}


def maps(folder):
    return sorted(path.name for path in Path(folder).glob("*.tif"))


def rewritten(path):
    """Change a scene's pixels."""
    with rasterio.open(path, "r+") as dataset:
        dataset.write(dataset.read()[:, ::-1])


@pytest.mark.slow
def test_what_is_done_is_skipped_and_what_changed_is_made_anew(geodl, model, scenes, tmp_path):
    folder = scenes(3)
    command = ("batch", folder, "-m", model, "-d", "maps", "--confidence")
    ended = geodl(*command)
    assert ended.code == 0, ended.err
    assert rows(tmp_path / "maps") == {"s00": "done", "s01": "done", "s02": "done"}
    assert "3 done" in ended.out
    assert geodl("segment", folder / "s01.tif", "-m", model, "-o", "plain.tif").code == 0
    assert same("plain.tif", "maps/s01_landcover.tif")
    before = {path: path.stat().st_mtime_ns for path in Path("maps").glob("*.tif")}
    rewritten(folder / "s00.tif")
    Path("maps/s02_landcover_confidence.tif").unlink()
    assert geodl(*command).code == 0
    assert rows(tmp_path / "maps") == {"s00": "done", "s01": "skipped", "s02": "done"}
    kept = [path for path, at in before.items() if path.stat().st_mtime_ns == at]
    assert {path.name.split("_")[0] for path in kept} == {"s01"}
    other = write_model(tmp_path / "toy.safetensors", name="another")
    assert geodl("batch", folder / "s01.tif", "-m", other, "-d", "maps").code == 0
    # The report is of the folder, and a confidence of another run would only mislead.
    assert rows(tmp_path / "maps") == {"s00": "skipped", "s01": "done", "s02": "skipped"}
    assert not Path("maps/s01_landcover_confidence.tif").exists()
    assert Path("maps/s00_landcover_confidence.tif").exists()
    assert geodl("batch", folder / "s01.tif", "-m", other, "-d", "maps", "--overwrite").code == 0
    assert rows(tmp_path / "maps")["s01"] == "done"


def test_nothing_to_do_loads_nothing(geodl, model, scenes, monkeypatch):
    folder = scenes(2)
    assert geodl("batch", folder, "-m", model, "-d", "maps").code == 0
    monkeypatch.setattr("georaster_dl.batches.pools.local.LocalWorkers", None)
    ended = geodl("batch", folder, "-m", model, "-d", "maps")
    assert ended.code == 0
    assert "2 skipped" in ended.out


@pytest.mark.slow
def test_a_corrupt_scene_costs_itself(geodl, model, scenes, tmp_path):
    folder = scenes(20)
    broken = folder / "s07.tif"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    ended = geodl("batch", folder, "-m", model, "-d", "maps")
    assert ended.code == 3
    assert rows(tmp_path / "maps") == {
        f"s{i:02d}": "failed" if i == 7 else "done" for i in range(20)
    }
    assert "s07" in ended.err
    assert "1 failed" in ended.out
    assert len(maps("maps")) == 19
    broken.write_bytes(whole)
    assert geodl("batch", folder, "-m", model, "-d", "maps").code == 0
    assert rows(tmp_path / "maps")["s07"] == "done"


def test_on_error_stop_begins_nothing_that_is_known_to_fail(geodl, model, scenes, tmp_path):
    folder = scenes(2)
    (folder / "bad.tif").write_bytes(b"no raster")
    ended = geodl("batch", folder, "-m", model, "-d", "maps", "--on-error", "stop")
    assert ended.code == 3
    assert set(rows(tmp_path / "maps").values()) == {"failed", "not run"}
    assert not maps("maps")


def test_reports_name_options_of_the_command(geodl, model, scenes, tmp_path):
    folder = scenes(1)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "s00_landcover.tif").write_bytes(b"of another program")
    assert geodl("batch", folder, "-m", model, "-d", "maps").code == 3
    report = json.loads((tmp_path / "maps" / "batch.json").read_text())
    assert report["scenes"][0]["error"].endswith("or allow it with --overwrite.")


@pytest.mark.slow
def test_features_and_quantities(geodl, model, scenes, tmp_path):
    folder = scenes(1)
    command = ("batch", folder, "-m", model, "-d", "out", "--features", "--halo", "16")
    wrong = geodl(*command, "--layer", "nonsense")
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)
    assert "nonsense" in wrong.err
    assert not (tmp_path / "out").exists()
    assert geodl(*command).code == 0
    assert maps("out") == ["s00_features.tif"]
    assert geodl(*command).code == 0
    assert rows(tmp_path / "out") == {"s00": "skipped"}


@pytest.mark.slow
def test_a_file_of_somebody_else_is_not_replaced(geodl, model, scenes, tmp_path):
    folder = scenes(1)
    (tmp_path / "maps").mkdir()
    theirs = tmp_path / "maps" / "s00_landcover.tif"
    theirs.write_bytes(b"theirs")
    ended = geodl("batch", folder, "-m", model, "-d", "maps")
    assert ended.code == 3
    assert "exists already" in ended.err
    assert theirs.read_bytes() == b"theirs"
    assert geodl("batch", folder, "-m", model, "-d", "maps", "--overwrite").code == 0


def test_options_that_do_not_go_together(refused, model, scenes):
    folder = scenes(1)
    for more, said in (
        (["--layer", "x"], "--layer is for --features"),
        (["--features", "--confidence"], "--confidence is of maps"),
        (["--scheduler", "local:1", "--workers", "2"], "--workers is for this machine"),
    ):
        assert said in refused("batch", folder, "-m", model, "-d", "maps", *more)


def _started(folder, model, out, *more):
    """A batch process, in the middle of a scene of which strips are finished."""
    process = start(
        "batch", folder, "-m", model, "-d", out, "--quiet", *more,
        cwd=out.parent, threads=1, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    while not list(out.glob(".geodl-batch/strips/*/*.strip")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def _worker(process):
    children = psutil.Process(process.pid).children()
    return next(child for child in children if "spawn_main" in " ".join(child.cmdline()))


def _expect(out, folder, model, names):
    """Exactly these maps are there, and each is what one process makes of the scene."""
    assert maps(out) == [f"{name}_landcover.tif" for name in names]
    command = [sys.executable, "-c", "from geodl_cli.main import main; main()", "segment"]
    for name in names[:1]:
        plain = out.parent / f"{name}_plain.tif"
        subprocess.run(
            [*command, folder / f"{name}.tif", "-m", model, "-o", plain, "--quiet", "--overwrite"],
            check=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert same(plain, out / f"{name}_landcover.tif")


@pytest.mark.slow
@unix
def test_a_killed_worker_is_replaced(model, scenes, tmp_path):
    folder, out = scenes(2, TALL), tmp_path / "maps"
    process = _started(folder, model, out)
    os.kill(_worker(process).pid, signal.SIGKILL)
    process.communicate(timeout=600)
    assert process.returncode == 0
    assert rows(out) == {"s00": "done", "s01": "done"}
    _expect(out, folder, model, ["s00", "s01"])


@pytest.mark.slow
@unix
def test_a_killed_batch_is_completed(geodl, model, scenes, tmp_path):
    folder, out = scenes(2, TALL), tmp_path / "maps"
    process = _started(folder, model, out)
    worker = _worker(process)
    second = geodl("batch", folder, "-m", model, "-d", out)
    assert second.code == 1
    assert "Another batch is at work" in second.err
    process.kill()
    process.communicate(timeout=600)
    worker.wait(600)  # it does not live on alone
    assert not maps(out)
    finished = {path.name for path in out.glob(".geodl-batch/strips/s00_landcover/*.strip")}
    assert finished
    ended = geodl("batch", folder, "-m", model, "-d", out, "--progress", "json")
    assert ended.code == 0
    shares = [e["done"] / e["total"] for e in ended.events if e["event"] == "progress"]
    assert shares[0] >= len(finished) / 2 / 8  # what was finished is not done again
    assert not [path for path in out.iterdir() if path.name.startswith(".geodl-") and path.is_dir()
                and path.name != ".geodl-batch"]  # fmt: skip
    assert not list(out.glob(".geodl-batch/strips/*"))
    _expect(out, folder, model, ["s00", "s01"])


@pytest.mark.slow
@unix
def test_a_scene_that_disappears_and_a_full_disk(geodl, model, scenes, tmp_path):
    folder, out = scenes(3, TALL), tmp_path / "maps"
    process = _started(folder, model, out, "--retries", "0")
    (folder / "s01.tif").rename(tmp_path / "away.tif")
    # No file of the worker may become larger than this from now on: the disk is full for the third.
    limit = (1000, 1000)
    while "s01" not in _strips(out) and not (out / "s00_landcover.tif").exists():
        time.sleep(0.01)
    psutil.Process(_worker(process).pid).rlimit(psutil.RLIMIT_FSIZE, limit)
    process.communicate(timeout=600)
    assert process.returncode == 3
    assert rows(out) == {"s00": "done", "s01": "failed", "s02": "failed"}
    report = json.loads((out / "batch.json").read_text())
    errors = {row["name"]: row["error"] for row in report["scenes"]}
    assert "s01.tif" in errors["s01"]
    assert "free some space" in errors["s02"]
    _expect(out, folder, model, ["s00"])
    (tmp_path / "away.tif").rename(folder / "s01.tif")
    assert geodl("batch", folder, "-m", model, "-d", out).code == 0
    assert rows(out) == {"s00": "skipped", "s01": "done", "s02": "done"}


def _strips(out):
    return {path.parent.name.split("_")[0] for path in out.glob(".geodl-batch/strips/*/*.strip")}


@pytest.mark.slow
@unix
def test_an_interrupted_batch_cleans_up_and_reports(model, scenes, tmp_path):
    folder, out = scenes(2, TALL), tmp_path / "maps"
    process = _started(folder, model, out)
    worker = _worker(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=600)
    assert process.returncode == 130
    assert not worker.is_running()
    assert set(rows(out).values()) == {"not run"}
    assert {path.name for path in out.iterdir()} <= {
        ".geodl-batch", "batch.json", "batch.csv", "batch.html", "quicklooks"
    }  # fmt: skip
