"""What the card says against a map is told once, beside it."""

import numpy as np
import pytest

from tests.cli.conftest import make_model, noise, write_scene
from tests.cli.test_extra_outputs import warnings_of

POOR = {"mIoU, test": 0.4, "IoU class 0, test": 0.0, "IoU class 1, test": 0.9}


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doubtful")
    return make_model(folder / "toy.safetensors", metrics=POOR, places=((120.0, -30.0),))


def test_segment_tells_poor_classes_and_distance(geodl, doubtful, scene):
    ended = geodl("segment", scene, "-m", doubtful, "-o", "map.tif")
    assert ended.code == 0
    poor, far = warnings_of(ended)
    assert "toy did badly in its own test at class 0 (IoU 0.00, test): trust these little" in poor
    assert "km from the nearest place that toy was trained or tested at" in far


@pytest.mark.slow
def test_a_batch_tells_it_once(geodl, doubtful, tmp_path):
    (tmp_path / "scenes").mkdir()
    for name in "ab":
        write_scene(tmp_path / "scenes" / f"{name}.tif", noise((90, 80)))
    ended = geodl("batch", "scenes", "-m", doubtful, "-d", "maps")
    assert ended.code == 0
    poor, far = warnings_of(ended)
    assert "class 0 (IoU 0.00, test)" in poor
    assert "2 of 2 scenes are up to 14," in far


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
