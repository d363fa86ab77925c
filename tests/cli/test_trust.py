"""What the card says against a map is told once, beside it."""

import numpy as np
import pytest
from geodl_cli.commands.batch import _limitations

from georaster_dl.batches.report.row import SceneRow
from georaster_dl.batches.run import BatchResult
from georaster_dl.testing import noise, write_model, write_scene
from tests.cli.test_extra_outputs import warnings_of

POOR = {"mIoU, test": 0.4, "IoU class 0, test": 0.0, "IoU class 1, test": 0.9}


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doubtful")
    return write_model(folder / "toy.safetensors", metrics=POOR, places=((120.0, -30.0),))


def test_segment_tells_poor_classes_and_distance(geodl, doubtful, scene):
    ended = geodl("segment", scene, "-m", doubtful, "-o", "map.tif")
    assert ended.code == 0
    poor, far = warnings_of(ended)
    assert "toy did badly in its own test at class 0 (IoU 0.00, test): trust these little" in poor
    assert "km from the nearest place that toy was trained or tested at" in far


def test_a_batch_tells_it_once(doubtful):
    record = {"classes": {"class 0": 5, "class 1": 0}}
    places = {"near": (121.0, -30.0), "far": (3.0, 45.0), "farther": (-60.0, 30.0), "unknown": None}
    rows = [
        SceneRow(name, "done", record=record | {"place": place}) for name, place in places.items()
    ]
    skipped = SceneRow("of an earlier run", "skipped", record=record | {"place": (3.0, 45.0)})
    result = BatchResult((*rows, skipped), (), 1.0)
    poor, far = _limitations(doubtful, result)
    assert "class 0 (IoU 0.00, test)" in poor
    assert "2 of 4 scenes are up to 20,015 km" in far


@pytest.mark.slow
def test_a_saved_classifier_says_where_it_was_trained(geodl, tmp_path):
    labels = np.zeros((90, 80), "uint8")
    labels[:30, 40:], labels[50:80, 40:] = 1, 2
    here = write_scene(tmp_path / "here.tif", noise((90, 80)))
    write_scene(tmp_path / "l.tif", labels[None], bands=None, scale=None)
    there = write_scene(tmp_path / "there.tif", noise((90, 80)), crs="EPSG:32650")
    learnt = geodl(
        "classify", here, "l.tif", "-o", "c.tif", "--save", "c.skops", "--method", "rf",
        "--split", "random", "--block", 4, "--buffer", 0,
    )  # fmt: skip
    assert learnt.code == 0, learnt.err
    ended = geodl("classify", there, "-m", "c.skops", "-o", "d.tif")
    assert ended.code == 0, ended.err
    told = warnings_of(ended)
    # Noise teaches nothing, so some class did badly, too.
    assert "km from the nearest place that c was trained or tested at" in told[-1]
