"""A calibration finds the temperature that labels were drawn with, and makes a package of the same weights."""

import json

import numpy as np
import pytest

import georaster_dl as gdl
from georaster_dl.core.errors import OptionError, OutputError
from georaster_dl.models.package.file import read_card
from georaster_dl.models.package.values import Target
from georaster_dl.testing import write_labels, write_model
from tests.calibration.conftest import NAMES, TEMPERATURE, drawn

FAST = {"precision": "fp32"}


@pytest.fixture(scope="module")
def made(model, scene, labels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    before = model.read_bytes()
    made = gdl.calibrate(
        model, scene, labels, out=folder / "new.safetensors", html=folder / "page.html",
        png=folder / "diagram.png", **FAST,
    )  # fmt: skip
    assert model.read_bytes() == before
    return made


def weights(path):
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


def test_the_temperature_is_found_and_the_probabilities_are_meant(made):
    (judged,) = made.judged
    assert made.card.calibration.temperature == pytest.approx(TEMPERATURE, rel=0.05)
    assert judged.before.ece.value > 0.15
    assert judged.after.ece.value < 0.03
    assert made.card.calibration.ece == pytest.approx(judged.after.ece.value, abs=1e-4)
    assert judged.after.nll.value < judged.before.nll.value
    assert judged.after.accuracy == judged.before.accuracy
    assert judged.changed == 0
    assert judged.after.pixels == judged.calibration.pixels > 20_000


def test_sets_hold_their_share_on_blocks_that_fitted_nothing(made):
    (judged,) = made.judged
    for level, found in judged.sets.items():
        assert found.covered.value == pytest.approx(level, abs=0.03)
        assert found.covered.low < found.covered.value < found.covered.high
    assert judged.sets[0.8].size < judged.sets[0.95].size


def test_the_package_has_the_same_weights_and_maps_the_same_classes(made, model, scene):
    assert weights(made.model) == weights(model)
    assert read_card(made.model) == made.card
    assert made.card.training["calibration labels"] == "labels.tif"
    assert len(made.card.training["calibration_labels_sha256"]) == 16
    first, second = (
        gdl.load_model(each).predict(scene, **FAST).array for each in (model, made.model)
    )
    assert np.array_equal(first, second)


def test_files_beside_the_package(made):
    page, diagram, package = made.files
    assert package == made.model
    assert "Calibration of test-model" in page.read_text()
    assert diagram.read_bytes().startswith(b"\x89PNG")
    figures = json.loads(json.dumps(made.to_dict()))
    assert figures["predictors"]["single"]["sets"]["0.9"]["value"] > 0.85
    assert "ECE" in repr(made)


@pytest.mark.slow
def test_each_predictor_has_a_calibration_of_its_own(model, scene, labels, tmp_path):
    made = gdl.calibrate(
        model,
        scene,
        labels,
        out=tmp_path / "new.safetensors",
        predictor="all",
        symmetries="flip",
        **FAST,
    )
    assert [judged.predictor for judged in made.judged] == ["single", "tta"]
    assert [judged.passes for judged in made.judged] == [1, 4]
    card = read_card(tmp_path / "new.safetensors")
    assert card.calibrations.keys() == {"tta"}
    assert card.calibrations["tta"].scores != card.calibration.scores
    assert made.judged[1].after.ece.value < made.judged[1].before.ece.value / 2
    again = gdl.calibrate(
        tmp_path / "new.safetensors", scene, labels, out=tmp_path / "again.safetensors", **FAST
    )
    assert again.card.calibrations == card.calibrations


@pytest.mark.slow
def test_vector_scaling_changes_the_map_and_says_how_much(model, scene, logits, tmp_path):
    offset = np.array([2.0, -1.0, 0.0, -1.0])
    classes = drawn(logits[0] + offset[:, None, None], logits[1])
    labels = write_labels(tmp_path / "labels.tif", classes, names=NAMES)
    made = gdl.calibrate(model, scene, labels, out=tmp_path / "v.safetensors", vector=True, **FAST)
    (judged,) = made.judged
    assert np.allclose(made.card.calibration.offset, offset, atol=0.3)
    assert judged.after.accuracy.value > judged.before.accuracy.value + 0.03
    first, second = (gdl.load_model(each).predict(scene, **FAST) for each in (model, made.model))
    changed = (first.array != second.array)[0][first.valid].mean()
    assert changed == pytest.approx(judged.changed, abs=0.02)
    assert changed > 0.1


def test_vector_scaling_needs_labels_of_every_class(model, scene, logits, tmp_path):
    classes = drawn(logits[0], logits[1])
    classes[classes == 3] = 255
    labels = write_labels(tmp_path / "labels.tif", classes, names=NAMES)
    with pytest.raises(OptionError, match="fewer of class 2"):
        gdl.calibrate(model, scene, labels, out=tmp_path / "v.safetensors", vector=True, **FAST)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tif"]


@pytest.mark.slow
def test_labels_that_the_model_learnt_from_are_warned_of(model, scene, labels, made, tmp_path):
    digest = made.card.training["calibration_labels_sha256"]
    same = write_model(tmp_path / "same.safetensors", training={"labels_sha256": f"ab12, {digest}"})
    with pytest.warns(gdl.GeoRasterWarning, match="too confident; use labels that it has not seen"):
        gdl.calibrate(same, scene, labels, out=tmp_path / "a.safetensors", **FAST)
    alike = write_model(tmp_path / "alike.safetensors", training={"labels": "labels.tif"})
    with pytest.warns(gdl.GeoRasterWarning, match="a file of the name labels.tif"):
        gdl.calibrate(alike, scene, labels, out=tmp_path / "b.safetensors", **FAST)


def test_what_cannot_be_calibrated_is_refused(model, scene, labels, tmp_path):
    numbers = write_model(
        tmp_path / "numbers.safetensors",
        n_classes=1,
        targets=[Target("height", unit="m", mean=1.0, std=2.0)],
    )
    with pytest.raises(OptionError, match="predicts height"):
        gdl.calibrate(numbers, scene, labels, out=tmp_path / "new.safetensors")
    with pytest.raises(OutputError, match="input"):
        gdl.calibrate(model, scene, labels, out=model, overwrite=True)
    with pytest.raises(OptionError, match="no dropout"):
        gdl.calibrate(
            model, scene, labels, out=tmp_path / "new.safetensors", predictor="mc-dropout"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["numbers.safetensors"]


def test_labels_of_one_class_are_refused_and_missing_ones_are_warned_of(
    model, scene, logits, tmp_path
):
    some = drawn(logits[0], logits[1])
    one = np.where(some == 2, some, 255)
    some[some == 3] = 255
    labels = write_labels(tmp_path / "some.tif", some, names=NAMES)
    with pytest.warns(gdl.GeoRasterWarning, match="no pixel is labelled class 2: .* without it"):
        gdl.calibrate(model, scene, labels, out=tmp_path / "a.safetensors", **FAST)
    labels = write_labels(tmp_path / "one.tif", one.astype(some.dtype), names=NAMES)
    with pytest.raises(OptionError, match="All labelled pixels are class 1, of which no"):
        gdl.calibrate(model, scene, labels, out=tmp_path / "b.safetensors", **FAST)
    assert not (tmp_path / "b.safetensors").exists()
