"""``geodl calibrate``: its table, its files, and what it refuses."""

import numpy as np
import pytest

from georaster_dl.models.package.file import read_card
from georaster_dl.testing import write_labels


@pytest.fixture
def labels(scene, tmp_path):
    """Random labels: nothing is known of them, so the model should be unsure."""
    rng = np.random.default_rng(0)
    return write_labels(tmp_path / "labels.tif", rng.integers(1, 5, (150, 130)).astype(np.uint8))


def test_the_table_for_people_and_the_files(geodl, model, scene, labels, tmp_path):
    new, page = tmp_path / "new.safetensors", tmp_path / "page.html"
    ended = geodl("calibrate", model, scene, labels, "-o", new, "--html", page)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("single: temperature 1.00 -> temperature 8.00 of ")
    assert lines[1].split() == ["score", "before", "after"]
    assert lines[2].startswith("expected calibration error")
    assert lines[8].startswith("sets of")
    assert str(new) in lines
    assert "temperature 8" in geodl("models", "show", new).out
    assert "Reliability diagram" in page.read_text()


def test_events_for_programs(geodl, model, scene, labels, tmp_path):
    new = tmp_path / "new.safetensors"
    ended = geodl("calibrate", model, scene, labels, "-o", new, "--progress", "json", "--vector")
    last = ended.events[-1]
    assert last["event"] == "done"
    assert last["outputs"] == [str(new)]
    figures = last["predictors"]["single"]
    assert figures["after"]["nll"]["value"] < figures["before"]["nll"]["value"]
    assert figures["gain"] == list(read_card(new).calibration.gain)


def test_a_model_is_no_picture_and_needs_labels(refused, model, scene, labels, tmp_path):
    assert "model package" in refused("calibrate", model, scene, labels, "-o", tmp_path / "a.tif")
    said = refused("calibrate", model, scene, "-o", tmp_path / "a.safetensors")
    assert "beside the model" in said
