"""Figures of blocks of the training scenes beside those of scenes kept apart."""

from dataclasses import replace

import numpy as np
import pytest
from rasterio.transform import from_origin

from georaster_dl.tiling.split_blocks import SEEN_PLACES, TEST, TRAIN
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.result.seen_places import _blocks, _caution
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import train

PART = "blocks of training scenes"
CLASSES = np.kron(np.indices((9, 9)).sum(axis=0) % 3, np.ones((12, 12), int))


def place(number):
    """Georeference of a scene far from the others."""
    return {"transform": from_origin(10_000 * number, 0, 10, 10), "crs": "EPSG:32631"}


@pytest.fixture
def scenes(make_tif):
    """Scenes far apart whose classes show in the bands, and the files of their labels."""
    image = 1000 * np.eye(3)[CLASSES].transpose(2, 0, 1)
    image = (image + np.random.default_rng(0).normal(1000, 100, image.shape)).astype(np.uint16)
    made = []
    for number in range(4):
        scene = make_tif(image, f"scene{number}.tif", **place(number))
        labels = make_tif((CLASSES + 1).astype(np.uint8), f"labels{number}.tif", **place(number))
        made.append(SceneWithLabels(str(scene), labels))
    return made


def short(**more):
    return TrainConfig.of(
        {
            "model": {"architecture": "dense-classifier"},
            "patches": {"size": 32, "per_epoch": 64},
            "training": {
                "epochs": 4, "batch": 4, "workers": 0, "device": "cpu", "precision": "fp32",
                "learning_rate": 2e-2,
            },
            **more,
        }
    )  # fmt: skip


@pytest.mark.slow
def test_labels_of_another_meaning_in_new_scenes_show(scenes, make_tif, tmp_path):
    """Where the test scene's classes are exchanged, blocks of the training scenes show nothing of it."""
    with CacheFolder(tmp_path / "first.safetensors") as cache:
        split = load_training_data(scenes, short(), cache, lambda _: None).split
    tested = next(i for i, mask in enumerate(split.masks) if (mask.parts == TEST).all())
    exchanged = ((CLASSES + 1) % 3 + 1).astype(np.uint8)
    wrong = make_tif(exchanged, "wrong.tif", **place(tested))
    scenes[tested] = SceneWithLabels(scenes[tested].scene, wrong)
    card = train(scenes, tmp_path / "model.safetensors", short()).card
    assert card.metrics[f"mIoU, {PART}"] > card.metrics["mIoU, test"] + 0.4
    assert next(iter(card.metrics)) == "mIoU, test"
    assert "knows its training scenes better" in card.limitations


@pytest.mark.slow
def test_reconstructions_are_measured_on_both(scenes, tmp_path):
    config = short(task="autoencoder", model={"architecture": "dense-autoencoder"})
    card = train(
        [SceneWithLabels(s.scene, None) for s in scenes], tmp_path / "a.safetensors", config
    ).card
    assert f"R2 of reconstruction, {PART}" in card.metrics
    assert f"RMSE of PCA-1, {PART}" not in card.metrics
    assert "training scenes" not in card.limitations  # all scenes are alike


def test_scenes_are_compared_by_the_classes_of_both():
    seen = {"mIoU": 0.9, "IoU a": 0.9, "IoU b": 0.9, "IoU d": 0.1}
    assert _caution(seen, {"mIoU": 0.5, "IoU a": 0.85, "IoU b": 0.9, "IoU c": 0.15}) == ""
    said = _caution(seen, {"mIoU": 0.9, "IoU a": 0.6, "IoU b": 0.4})
    assert "over the 2 classes that both have enough of, mIoU is 0.90 on blocks" in said
    assert "and 0.50 on new scenes" in said
    assert "better than new ones: R2 is 0.80 on" in _caution({"R2": 0.8}, {"R2": 0.1, "RMSE": 3})
    assert _caution({"RMSE": 1}, {"RMSE": 3}) == ""


def test_a_single_class_of_both_tells_nothing():
    assert _caution({"mIoU": 0.9, "IoU a": 0.9}, {"mIoU": 0.1, "IoU a": 0.1}) == ""


@pytest.mark.slow
def test_blocks_are_counted_by_class(scenes, tmp_path):
    with CacheFolder(tmp_path / "model.safetensors") as cache:
        split = load_training_data(scenes, short(), cache, lambda _: None).split
    masks = []
    for number, mask in enumerate(split.masks):
        parts = np.full_like(mask.parts, TRAIN)
        if number < 2:
            parts[0, 0] = SEEN_PLACES  # of the first class
        if number == 0:
            parts[0, : 24 // mask.cell] = SEEN_PLACES  # as far as the second class
        masks.append(replace(mask, parts=parts))
    assert _blocks(replace(split, masks=tuple(masks))).tolist() == [2, 1, 0]
