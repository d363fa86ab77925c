"""Worker processes: what happens to one scene happens to no other."""

import os
import signal

import psutil
import pytest

from georaster_dl.batches.job import SceneJob, attempt
from georaster_dl.batches.pools.local import LocalWorkers
from georaster_dl.batches.pools.scheduler import scheduled_workers
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Progressed, Started
from georaster_dl.predict.options import FeatureOptions, FeatureOutputs, Outputs, SegmentOptions
from tests.cli.conftest import run_here
from tests.predict.test_run import _same as same

pytestmark = pytest.mark.slow

SHAPE = (400, 130)


def job(scene_and_model, folder, name, **options):
    scene, model = scene_and_model
    kept = {"record": folder / f"{name}.json", "journal": folder / "strips" / name, "tile": 128}
    outputs = Outputs(folder / f"{name}.tif")
    return SceneJob(name, (str(scene),), model, outputs, SegmentOptions(**kept | options))


def worker_pids():
    """Processes that do jobs; Python keeps another one, for its own books."""
    children = psutil.Process().children()
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_jobs_are_done_and_failures_are_told(scene_and_model, tmp_path):
    told = []
    with LocalWorkers(2, lambda *event: told.append(event)) as workers:
        workers.submit(job(scene_and_model, tmp_path, "one"))
        workers.submit(job((tmp_path / "absent.tif", scene_and_model[1]), tmp_path, "two"))
        workers.submit(job(scene_and_model, tmp_path, "three"))
        ended = {outcome.name: outcome for outcome in (workers.next() for _ in range(3))}
    assert {name: bool(outcome.error) for name, outcome in ended.items()} == {
        "one": False,
        "two": True,
        "three": False,
    }
    assert "absent.tif" in ended["two"].error
    assert ended["one"].record["files"][0]["name"] == "one.tif"
    assert same(tmp_path / "one.tif", tmp_path / "three.tif")
    assert {name for name, event in told if isinstance(event, Progressed)} == {"one", "three"}
    assert sorted(path.name for path in tmp_path.glob("*.tif")) == ["one.tif", "three.tif"]


def test_features_are_made_too(scene_and_model, tmp_path):
    scene, model = scene_and_model
    kept = {"record": tmp_path / "f.json", "journal": tmp_path / "strips"}
    options = FeatureOptions(**kept, halo=16, tile=128)
    made = SceneJob("f", (str(scene),), model, FeatureOutputs(tmp_path / "f.tif"), options)
    with LocalWorkers(1, lambda *_: None) as workers:
        workers.submit(made)
        outcome = workers.next()
    assert not outcome.error
    assert 0.8 < outcome.record["valid_pixels"] / (SHAPE[0] * SHAPE[1]) < 1
    assert made.raster.exists()


def test_a_killed_worker_costs_its_scene_alone(scene_and_model, tmp_path):
    killed = []

    def kill(name, event):
        if name == "one" and isinstance(event, Progressed) and not killed:
            killed.extend(worker_pids())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    with LocalWorkers(1, kill) as workers:
        workers.submit(job(scene_and_model, tmp_path, "one"))
        workers.submit(job(scene_and_model, tmp_path, "two"))
        first, second = workers.next(), workers.next()
        assert (first.name, second.name) == ("one", "two")
        assert "killed (signal 9)" in first.error
        assert not second.error
        assert [path.name for path in tmp_path.glob("*.tif")] == ["two.tif"]
        workers.submit(job(scene_and_model, tmp_path, "one"))
        assert not workers.next().error
    assert same(tmp_path / "one.tif", tmp_path / "two.tif")
    assert not worker_pids()


@pytest.mark.slow
def test_a_split_scene_is_that_of_one_process(scene_and_model, tmp_path):
    folders = {}
    for name in ("plain", "split"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
    assert not attempt(job(scene_and_model, folders["plain"], "one")).error
    events = []
    with LocalWorkers(2, lambda _, event: events.append(event), large=0) as workers:
        workers.submit(job(scene_and_model, folders["split"], "one"))
        outcome = workers.next()
    assert not outcome.error
    assert same(folders["plain"] / "one.tif", folders["split"] / "one.tif")
    assert sum(isinstance(event, Started) for event in events) == 1
    done = [event.done for event in events if isinstance(event, Progressed)]
    assert done == sorted(done)
    assert done[-1] == SHAPE[0] * SHAPE[1]
    assert not (folders["split"] / "strips" / "one").exists()


@pytest.mark.slow
def test_a_killed_worker_fails_its_scene_and_finished_parts_stay(scene_and_model, tmp_path):
    killed = []

    def kill(_name, event):
        if isinstance(event, Progressed) and not killed:
            killed.append(worker_pids()[0])
            os.kill(killed[0], signal.SIGKILL)

    with LocalWorkers(1, kill, large=0) as workers:
        workers.submit(job(scene_and_model, tmp_path, "one"))
        assert "killed (signal 9)" in workers.next().error
        assert not list(tmp_path.glob("*.tif"))
        workers.submit(job(scene_and_model, tmp_path, "one"))
        assert not workers.next().error
    assert (tmp_path / "one.tif").exists()


def test_what_cannot_be_split_fails_alone(scene_and_model, tmp_path):
    with LocalWorkers(2, lambda *_: None, large=0) as workers:
        workers.submit(job((tmp_path / "absent.tif", scene_and_model[1]), tmp_path, "two"))
        assert "absent.tif" in workers.next().error


@pytest.mark.slow
def test_processes_of_one_scene_end_with_the_run(scene_and_model, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = worker_pids()
    common = ["segment", scene_and_model[0], "-m", scene_and_model[1], "--device", "cpu"]
    ended = run_here(capfd, *common, "-o", "plain.tif")
    in_parts = run_here(capfd, *common, "-o", "map.tif", "--scheduler", "local:2")
    assert in_parts.code == 0, in_parts
    assert in_parts.err == ended.err
    assert in_parts.out.splitlines()[0] == ended.out.splitlines()[0]
    assert same("plain.tif", "map.tif")
    assert worker_pids() == before
    again = run_here(capfd, *common, "-o", "map.tif", "--scheduler", "local:2")
    assert "exists already" in again.err
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("scheduler", "resources", "said"),
    [
        ("local:none", {}, "number of processes"),
        ("local:2", {"GPU": 1.0}, "local:N have none"),
        ("nothing.json", {}, "existing scheduler file"),
    ],
)
def test_what_is_no_scheduler_is_refused(scheduler, resources, said):
    with pytest.raises(OptionError, match=said):
        scheduled_workers(scheduler, resources, lambda *_: None)


def test_resources_of_no_cluster_are_refused(scene_and_model, tmp_path, capfd):
    common = ["segment", scene_and_model[0], "-m", scene_and_model[1], "-o", tmp_path / "map.tif"]
    assert "name its --scheduler" in run_here(capfd, *common, "--resources", "GPU=1").err
    assert "NAME=NUMBER" in run_here(capfd, *common, "--resources", "GPU").err
