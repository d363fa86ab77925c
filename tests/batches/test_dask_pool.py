"""Scenes on Dask clusters of real processes, some of which are killed."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from distributed import LocalCluster

from georaster_dl.batches.job import SceneJob, attempt
from georaster_dl.batches.pools import dask_client as connect
from georaster_dl.batches.pools import dask_pool as module
from georaster_dl.batches.pools.dask_pool import DaskWorkers
from georaster_dl.core.errors import DeviceError, OptionError
from georaster_dl.core.events import Progressed, Started, Warned
from georaster_dl.predict.options import Outputs, SegmentOptions
from tests.cli.conftest import run_here
from tests.predict.test_run import _same

pytestmark = pytest.mark.slow

SHAPE = (1600, 400)  # long enough to be killed in the middle
TILE = {"tile": 128, "device": "cpu"}


@pytest.fixture(scope="module")
def cluster():
    """Two workers, each replaced when it is killed."""
    before = _workers_here()
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs="CRITICAL",
    ) as made:
        yield made
    assert _workers_here() == before


@pytest.fixture(scope="module")
def plain(scene_and_model, tmp_path_factory):
    """The map that one process makes."""
    folder = tmp_path_factory.mktemp("plain")
    assert attempt(_job(scene_and_model, folder)).error == ""
    return folder / "map.tif"


def _workers_here():
    children = psutil.Process().children(recursive=True)
    return {one.pid for one in children if "spawn_main" in " ".join(one.cmdline())}


def _job(scene_and_model, folder, name="scene", **options):
    scene, model = scene_and_model
    settings = SegmentOptions(**TILE | options)
    return SceneJob(name, (str(scene),), model, Outputs(folder / "map.tif"), settings)


def _hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".geodl-")]


def test_results_are_those_of_one_process(scene_and_model, plain, cluster, tmp_path):
    jobs = {}
    for name in ("whole", "split", "missing"):
        (tmp_path / name).mkdir()
        kept = {} if name == "whole" else {"journal": tmp_path / f"{name}.parts"}
        jobs[name] = _job(
            scene_and_model, tmp_path / name, name, **kept, record=tmp_path / name / "map.json"
        )
    jobs["missing"] = SceneJob(
        "missing",
        (str(tmp_path / "no.tif"),),
        scene_and_model[1],
        jobs["missing"].outputs,
        SegmentOptions(),
    )
    told = []
    with DaskWorkers(
        cluster.scheduler_address, lambda *event: told.append(event), {}, large=0
    ) as workers:
        for job in jobs.values():
            workers.submit(job)
        ended = {outcome.name: outcome for outcome in (workers.next() for _ in jobs)}
    assert "no.tif" in ended["missing"].error
    assert "\n" not in ended["missing"].error
    for name in ("whole", "split"):
        assert ended[name].error == ""
        assert ended[name].record["classes"] == ended[name].summary.findings.counts
        assert _same(plain, tmp_path / name / "map.tif")
        events = [event for job, event in told if job == name]
        assert sum(isinstance(event, Started) for event in events) == 1
        done = [event.done for event in events if isinstance(event, Progressed)]
        assert done[-1] == SHAPE[0] * SHAPE[1]
    assert not (tmp_path / "split.parts").exists()


def test_features_of_one_scene(scene_and_model, cluster, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    common = [
        "features",
        scene_and_model[0],
        "-m",
        scene_and_model[1],
        "--halo",
        "16",
        "--device",
        "cpu",
    ]
    ended = run_here(capfd, *common, "-o", "plain.tif")
    on_dask = run_here(capfd, *common, "-o", "d.tif", "--scheduler", cluster.scheduler_address)
    assert (ended.code, on_dask.code) == (0, 0), on_dask
    assert on_dask.out.splitlines()[0] == ended.out.splitlines()[0]
    assert on_dask.out.splitlines()[-1] == "d.tif"
    assert _same("plain.tif", "d.tif")
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())


def test_a_killed_worker_costs_its_task_alone(scene_and_model, plain, cluster, tmp_path):
    killed = []

    def kill(_name, event):
        if isinstance(event, Started):
            busy = next(one for one in cluster.scheduler.workers.values() if one.processing)
            killed.append(cluster.workers[busy.name].pid)
            os.kill(killed[-1], signal.SIGKILL)

    job = _job(scene_and_model, tmp_path, journal=tmp_path / "journal")
    with DaskWorkers(cluster.scheduler_address, kill, {}, large=0) as workers:
        workers.submit(job)
        outcome = workers.next()
    assert len(killed) == 1
    assert not psutil.pid_exists(killed[0])
    assert outcome.error == ""
    assert _same(plain, tmp_path / "map.tif")


def test_an_interrupt_leaves_nothing(scene_and_model, cluster, tmp_path):
    def interrupt(_name, event):
        if isinstance(event, Started):
            assert _hidden(tmp_path)
            raise KeyboardInterrupt

    def run():
        with DaskWorkers(cluster.scheduler_address, interrupt, {}) as workers:
            workers.submit(_job(scene_and_model, tmp_path))
            workers.next()

    with pytest.raises(KeyboardInterrupt):
        run()
    while _hidden(tmp_path):
        time.sleep(0.05)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def killable(tmp_path):
    """A scheduler and a worker of their own: the scheduler's file and its process."""
    file = tmp_path / "scheduler.json"
    common = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen(
        [*common, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
         "--scheduler-file", file],
        **quiet,
    )  # fmt: skip
    worker = subprocess.Popen(
        [*common, "worker", "--scheduler-file", file, "--no-nanny", "--nthreads", "1",
         "--no-dashboard", "--death-timeout", "30"],
        cwd=tmp_path, **quiet,
    )  # fmt: skip
    while not file.exists():
        assert scheduler.poll() is None
        time.sleep(0.05)
    yield file, scheduler
    for process in (worker, scheduler):
        process.kill()
        process.wait()


def test_a_killed_scheduler_is_told_at_once(scene_and_model, plain, cluster, killable, tmp_path):
    file, scheduler = killable
    made = tmp_path / "made"
    made.mkdir()
    job = _job(scene_and_model, made, journal=tmp_path / "journal")

    def kill(_name, event):
        if isinstance(event, Started):
            scheduler.kill()

    def run():
        with DaskWorkers(str(file), kill, {}, large=0) as workers:
            workers.submit(job)
            workers.next()

    with pytest.raises(DeviceError, match="scheduler .* was lost .* run the same command again"):
        run()
    assert not (made / "map.tif").exists()
    with DaskWorkers(cluster.scheduler_address, lambda *_: None, {}, large=0) as workers:
        workers.submit(job)
        assert workers.next().error == ""
    assert _same(plain, made / "map.tif")


def test_a_resource_that_nobody_has_is_told(scene_and_model, cluster, tmp_path, monkeypatch):
    class Told(Exception):  # noqa: N818
        pass

    def tell(name, event):
        assert (name, type(event)) == ("scene", Warned)
        assert "GPU=1" in event.message
        raise Told

    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.1)
    with DaskWorkers(cluster.scheduler_address, tell, {"GPU": 1}) as workers:
        workers.submit(_job(scene_and_model, tmp_path))
        with pytest.raises(Told):
            workers.next()
    assert not list(tmp_path.iterdir())


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setattr(connect, "CONNECT_SECONDS", 0.2)
    with pytest.raises(DeviceError, match="No Dask scheduler answers at tcp://127.0.0.1:9"):
        DaskWorkers("tcp://127.0.0.1:9", lambda *_: None, {}).__enter__()


def test_dask_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OptionError, match=r"georaster_dl\[dask\]"):
        DaskWorkers("tcp://127.0.0.1:9", lambda *_: None, {})
