"""What is known of a batch before it runs."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from georaster_dl.batches import preflight
from georaster_dl.batches.job import SceneJob
from georaster_dl.batches.preflight import check, check_all, room, tight
from georaster_dl.predict.options import FeatureOptions, FeatureOutputs, Outputs, SegmentOptions
from georaster_dl.testing import noise, write_model, write_scene

SHAPE = (96, 80)
BLOCK = 512**2  # a raster of this size is one block
PLAIN = {"device": "cpu", "tile": 128, "halo": 16}


@pytest.fixture
def job(scene_and_model, tmp_path):
    def make(
        scene=scene_and_model[0], model=scene_and_model[1], name="scene", confidence=None, **options
    ):
        kept = {"record": tmp_path / f"{name}.json", "journal": tmp_path / "strips" / name}
        outputs = Outputs(tmp_path / f"{name}_landcover.tif", confidence=confidence)
        options = SegmentOptions(**PLAIN | kept | options)
        return SceneJob(name, (str(scene),), model, outputs, options)

    return make


@pytest.fixture
def features(scene_and_model, tmp_path):
    def make(**options):
        options = FeatureOptions(**PLAIN | {"record": tmp_path / "f.json"} | options)
        outputs = FeatureOutputs(tmp_path / "f.tif")
        return SceneJob("f", (str(scene_and_model[0]),), scene_and_model[1], outputs, options)

    return make


def test_a_job_is_ready_until_it_is_done(job, scene_and_model, tmp_path):
    before = check(job())
    assert (before.state, before.message, before.pixels) == ("ready", "", SHAPE[0] * SHAPE[1])
    assert list(tmp_path.iterdir()) == []
    job().run().whole()
    done = check(job())
    assert done.state == "done"
    assert done.identity == before.identity
    # Another model or other options: made anew and replaced.
    other = write_model(tmp_path / "other.safetensors", name="another")
    assert check(job(model=other)).state == "ready"
    assert check(job(halo=24)).state == "ready"
    (tmp_path / "scene_landcover.tif").unlink()
    assert check(job()).state == "ready"


def test_what_nobody_recorded_is_not_replaced(job, tmp_path):
    output = tmp_path / "scene_landcover.tif"
    output.write_text("another's")
    failing = check(job())
    assert failing.state == "failing"
    assert str(output) in failing.message
    assert "overwrite=True" in failing.message
    assert "\n" not in failing.message
    (tmp_path / "scene.json").write_text("{")
    assert check(job()).state == "failing"
    assert check(job(overwrite=True)).state == "ready"
    assert output.read_text() == "another's"


def test_a_new_output_must_not_replace_a_foreign_one(job, tmp_path):
    job().run().whole()
    confidence = tmp_path / "scene_confidence.tif"
    assert check(job(confidence=confidence)).state == "ready"
    confidence.touch()
    assert check(job(confidence=confidence)).state == "failing"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"scene": "/no/such.tif"}, "does not exist"),
        ({"scene": __file__}, "cannot be opened"),
        ({"halo": -1}, "`halo=`"),
        ({"aoi": Path("/no/aoi.gpkg")}, "aoi="),
        ({"model": Path("/no/model.safetensors")}, "model"),
    ],
)
def test_what_is_wrong_is_found(job, wrong, told):
    failing = check(job(**wrong))
    assert failing.state == "failing"
    assert told in failing.message
    assert "\n" not in failing.message
    assert failing.tiling is None


def test_values_that_only_warn_are_read_by_the_run_alone(job):
    run = job().run()
    assert not {"calibration", "novelty"} & vars(run.prepared.doubts).keys()
    run.whole()
    assert {"calibration", "novelty"} <= vars(run.prepared.doubts).keys()


def test_wrong_bands_are_found(job, tmp_path):
    scene = write_scene(tmp_path / "two.tif", noise(SHAPE, 2), bands=("B02", "B03"))
    failing = check(job(scene=scene))
    assert failing.state == "failing"
    assert "B04" in failing.message


def test_all_are_checked_in_order(job, scene_and_model, tmp_path):
    jobs = [
        job(name=f"s{i}", scene="/no/such.tif" if i % 3 else scene_and_model[0]) for i in range(20)
    ]
    found = check_all(jobs)
    assert [one.job.name for one in found] == [f"s{i}" for i in range(20)]
    assert [one.state for one in found] == [("failing" if i % 3 else "ready") for i in range(20)]
    assert len({id(one.tiling.card) for one in found if one.tiling}) == 1
    assert check_all([]) == []


def test_what_rasters_take_on_the_disk(job, features, tmp_path):
    # The map: a byte a pixel, a third more with overviews, twice while it is copied, and the strips.
    plain = check(job())
    assert plain.output_bytes == BLOCK * 4 // 3
    assert plain.peak_bytes == pytest.approx(BLOCK * (1 + 8 / 3), abs=2)
    without = check(job(journal=None))
    assert plain.peak_bytes - without.peak_bytes == pytest.approx(BLOCK, abs=2)
    both = check(job(confidence=tmp_path / "c.tif", float32=True))
    assert both.output_bytes == pytest.approx(BLOCK * 5 * 4 / 3, abs=2)
    # What enters the head of this network are 8 planes.
    assert check(features()).output_bytes == pytest.approx(BLOCK * 32 * 4 / 3, abs=2)
    packed = check(features(packed=True))
    assert packed.output_bytes == pytest.approx(BLOCK * 16 * 4 / 3, abs=2)
    assert packed.peak_bytes == pytest.approx(packed.output_bytes + BLOCK * 8 * 6, abs=2)
    assert check(features(layer="no.such")).output_bytes == 0


def test_what_a_run_takes_is_not_more(job, features, tmp_path, monkeypatch):
    """The largest that the folder grows while a raster is written stays below what was said."""
    import rasterio.shutil

    most = [0]
    copy = rasterio.shutil.copy

    def measured(*arguments, **options):
        copy(*arguments, **options)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        most[0] = max(most[0], sum(path.stat().st_blocks * 512 for path in files))

    monkeypatch.setattr(rasterio.shutil, "copy", measured)
    # What styles and checks take beside the pixels.
    for one, small in ((job(), 2**17), (features(), 2**17)):
        most[0] = 0
        told = check(one)
        one.run().whole()
        assert 0 < most[0] < told.peak_bytes + small
        shutil.rmtree(tmp_path / "strips", ignore_errors=True)


def test_room_on_the_disk(job, tmp_path, monkeypatch):
    found = [
        dataclasses.replace(
            check(job(name=f"s{i}")), peak_bytes=(30 + i) * 2**30, output_bytes=20 * 2**30
        )
        for i in range(4)
    ]
    usage = shutil.disk_usage(tmp_path)

    def free(gib):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=gib * 2**30))

    # The two largest at a time take 32 + 33, whatever stays in the end.
    free(65)
    assert room(found, tmp_path / "not" / "made", 2) == []
    free(64)
    [line] = room(found, tmp_path, 2)
    assert "64 GiB" in line
    assert "65 GiB" in line
    assert room(found, tmp_path, 1) == []
    assert "64 GiB free; without compression, the outputs would take 80 GiB" in tight(
        found, tmp_path
    )
    free(80)
    assert tight(found, tmp_path) == ""
    done = [dataclasses.replace(one, state="done") for one in found]
    free(1)
    assert room(done, tmp_path, 2) == []
    assert tight(done, tmp_path) == ""


def test_room_in_the_memory(job, tmp_path, monkeypatch):
    found = check_all([job(name=f"s{i}") for i in range(3)])
    monkeypatch.setattr(preflight, "available_memory", lambda: 10 * 2**20)
    assert room(found, tmp_path, 1) == []
    [line] = room(found, tmp_path, 8)
    assert "3 of 3 scenes" in line
    assert "8 workers" in line
    assert "MiB" in line
    on_gpu = check_all([job(name="g", device="cuda")])
    assert room(on_gpu, tmp_path, 8) == []


def test_neither_checks_nor_lists_load_torch(scene_and_model, tmp_path):
    code = f"""
import sys
from pathlib import Path
from georaster_dl.batches.job import SceneJob
from georaster_dl.batches.preflight import check_all, room, tight
from georaster_dl.io.listing.find import list_scenes
import georaster_dl.batches.report.write  # noqa: F401
from georaster_dl.predict.options import Outputs, SegmentOptions
folder = Path({str(tmp_path)!r})
[scene] = list_scenes([{str(scene_and_model[0])!r}], folder / "items")
options = SegmentOptions(record=folder / "r.json", device="cpu")
job = SceneJob(scene.name, scene.sources, Path({str(scene_and_model[1])!r}), Outputs(folder / "m.tif"), options)
[found] = check_all([job])
assert found.state == "ready", found
assert room([found], folder, 1) == []
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)
