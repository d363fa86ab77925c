"""Runs that are made in parts, go on after they stopped, and say what they were."""

import dataclasses
import json
import os

import pytest
import rasterio

from georaster_dl.core.events import Progressed, no_report
from georaster_dl.predict.engine import inference as engine
from georaster_dl.predict.features import FeatureRun
from georaster_dl.predict.options import FeatureOptions, FeatureOutputs, Outputs, SegmentOptions
from georaster_dl.predict.run_record import is_recorded, read_record
from georaster_dl.predict.segment import SegmentRun
from georaster_dl.testing import noise, write_model, write_scene

SHAPE = (400, 130)
TILE = 128
QUIET = {"tile": TILE, "device": "cpu"}


def _segment(scene_and_model, folder, report=no_report, **options):
    scene, model = scene_and_model
    outputs = Outputs(folder / "map.tif", confidence=folder / "confidence.tif")
    return SegmentRun(scene, model, outputs, SegmentOptions(**QUIET | options), report)


def _features(scene_and_model, folder, report=no_report, **options):
    outputs = FeatureOutputs(folder / "features.tif")
    # halo exact is larger than this tile allows
    options = FeatureOptions(**QUIET | {"halo": 16} | options, packed=True)
    return FeatureRun(*scene_and_model, outputs, options, report)


def _same(one, other):
    """Whether two rasters are the same in everything but the time at which they were made."""
    with rasterio.open(one) as a, rasterio.open(other) as b:
        tags = [d.tags() | {"TIFFTAG_DATETIME": ""} for d in (a, b)]
        return a.read().tobytes() == b.read().tobytes() and tags[0] == tags[1]


@pytest.mark.slow
@pytest.mark.parametrize("make", [_segment, _features])
def test_parts_make_the_whole(scene_and_model, tmp_path, make, monkeypatch):
    for name in ("plain", "parts"):
        (tmp_path / name).mkdir()
    plain = make(scene_and_model, tmp_path / "plain").whole()
    kept = {"journal": tmp_path / "journal"}
    for number in (2, 0, 1):
        make(scene_and_model, tmp_path / "parts", **kept).part(number, 3)
    assert not any((tmp_path / "parts").iterdir())
    monkeypatch.setattr(engine, "read_tiles", None)  # nothing is left to read
    made = make(scene_and_model, tmp_path / "parts", **kept).whole()
    assert not (tmp_path / "journal").exists()
    assert made.findings == plain.findings
    for one, other in zip(plain.files, made.files, strict=True):
        assert _same(one, other)


def test_a_stopped_run_goes_on_where_it_was(scene_and_model, tmp_path):
    def stop(event):
        if isinstance(event, Progressed) and event.done > 0.4 * event.total:
            raise KeyboardInterrupt

    kept = {"journal": tmp_path / "journal"}
    with pytest.raises(KeyboardInterrupt):
        _segment(scene_and_model, tmp_path, stop, **kept).whole()
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]
    told = []
    _segment(scene_and_model, tmp_path, told.append, **kept).whole()
    done = [event.done for event in told if isinstance(event, Progressed)]
    total = SHAPE[0] * SHAPE[1]
    assert done[-1] == total
    assert done[0] > 0.2 * total  # what was finished counts from the start
    (tmp_path / "again").mkdir()
    _segment(scene_and_model, tmp_path / "again").whole()
    assert _same(tmp_path / "map.tif", tmp_path / "again" / "map.tif")


def test_the_record_says_what_was_run_on_what(scene_and_model, tmp_path):
    record = tmp_path / "map.json"
    run = _segment(scene_and_model, tmp_path, record=record)
    made = run.whole()
    read = read_record(record)
    assert [file["name"] for file in read["files"]] == ["confidence.tif", "map.tif"]
    assert read["classes"] == made.findings.counts
    assert read["run"]["input"][0]["name"] == "scene.tif"
    facts = run.prepared.identity
    assert is_recorded(record, facts)
    # Where and how it is made is no part of what is made; everything else is.
    assert _segment(scene_and_model, tmp_path, overwrite=True).prepared.identity == facts
    assert _segment(scene_and_model, tmp_path, precision="fp32").prepared.identity != facts
    (tmp_path / "map.tif").write_bytes(b"")
    assert not is_recorded(record, facts)
    record.write_text("{")
    assert read_record(record) is None


def test_another_input_or_model_is_another_run(scene_and_model, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(SHAPE))
    facts = _segment((scene, scene_and_model[1]), tmp_path).prepared.identity
    os.utime(scene, ns=(1, 1))
    assert _segment((scene, scene_and_model[1]), tmp_path).prepared.identity != facts
    os.utime(scene, ns=(1, facts["input"][0]["changed_ns"]))
    assert _segment((scene, scene_and_model[1]), tmp_path).prepared.identity == facts
    other = write_model(tmp_path / "other.safetensors", name="another")
    assert _segment((scene, other), tmp_path).prepared.identity != facts
    assert json.loads(json.dumps(facts)) == facts
    assert {field.name for field in dataclasses.fields(SegmentOptions)} - set(
        facts["parameters"]
    ) == {"overwrite", "record", "journal"}
