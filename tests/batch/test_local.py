"""Worker processes: what happens to one scene happens to no other."""

import os
import signal

import psutil
import pytest

from georaster_dl.batch.job import SceneJob
from georaster_dl.batch.pools.local import LocalWorkers
from georaster_dl.core.events import Progressed
from georaster_dl.predict.options import FeatureOptions, FeatureOutputs, Outputs, SegmentOptions
from tests.cli.conftest import make_model, noise, write_scene
from tests.predict.test_run import _same as same

pytestmark = pytest.mark.slow

SHAPE = (400, 130)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    scene = write_scene(folder / "scene.tif", noise(SHAPE))
    return scene, make_model(folder / "model.safetensors")


def job(given, folder, name, **options):
    scene, model = given
    kept = {"record": folder / f"{name}.json", "journal": folder / "strips" / name, "tile": 128}
    outputs = Outputs(folder / f"{name}.tif")
    return SceneJob(name, (str(scene),), model, outputs, SegmentOptions(**kept | options))


def worker_pids():
    """Processes that do jobs; Python keeps another one, for its own books."""
    children = psutil.Process().children()
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_jobs_are_done_and_failures_are_told(given, tmp_path):
    told = []
    with LocalWorkers(2, lambda *event: told.append(event)) as workers:
        workers.submit(job(given, tmp_path, "one"))
        workers.submit(job((tmp_path / "absent.tif", given[1]), tmp_path, "two"))
        workers.submit(job(given, tmp_path, "three"))
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


def test_features_are_made_too(given, tmp_path):
    scene, model = given
    kept = {"record": tmp_path / "f.json", "journal": tmp_path / "strips"}
    options = FeatureOptions(**kept, halo=16, tile=128)
    made = SceneJob("f", (str(scene),), model, FeatureOutputs(tmp_path / "f.tif"), options)
    with LocalWorkers(1, lambda *_: None) as workers:
        workers.submit(made)
        outcome = workers.next()
    assert not outcome.error
    assert 0.8 < outcome.record["valid_pixels"] / (SHAPE[0] * SHAPE[1]) < 1
    assert made.raster.exists()


def test_a_killed_worker_costs_its_scene_alone(given, tmp_path):
    killed = []

    def kill(name, event):
        if name == "one" and isinstance(event, Progressed) and not killed:
            killed.extend(worker_pids())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    with LocalWorkers(1, kill) as workers:
        workers.submit(job(given, tmp_path, "one"))
        workers.submit(job(given, tmp_path, "two"))
        first, second = workers.next(), workers.next()
        assert (first.name, second.name) == ("one", "two")
        assert "killed (signal 9)" in first.error
        assert not second.error
        assert [path.name for path in tmp_path.glob("*.tif")] == ["two.tif"]
        workers.submit(job(given, tmp_path, "one"))
        assert not workers.next().error
    assert same(tmp_path / "one.tif", tmp_path / "two.tif")
    assert not worker_pids()
