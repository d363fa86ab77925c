"""Forests and support vector machines beside a network: fitted, compared, kept, packaged."""

import csv
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from torch import nn

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import RivalJudged, Warned
from georaster_dl.models.package.file import read_card
from georaster_dl.models.runtime.device import Device
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import segment
from georaster_dl.testing import checkered
from georaster_dl.tiling.split_blocks import TRAIN, VALIDATION
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.rivals import classifiers
from georaster_dl.training.rivals.beside import fit_beside
from georaster_dl.training.rivals.comparison import Compared, Comparison
from georaster_dl.training.rivals.ground import draw_learnt, draw_tested
from georaster_dl.training.settings.config import ModelSection, TrainConfig
from georaster_dl.training.settings.resolve import resolve_defaults, with_method
from georaster_dl.training.train import train
from tests.training.conftest import CLASSES

ONCE = {"training.epochs": 1, "patches.per_epoch": 4, "training.learning_rate": 1e-6}


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    monkeypatch.setattr(classifiers, "_TREES", 8)
    monkeypatch.setattr(classifiers, "COSTS", (10.0,))


def load(pairs, config, folder):
    cache = CacheFolder(folder / "m.safetensors")
    cache.__enter__()
    return load_training_data(pairs, config, cache, lambda _: None)


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        ({}, "auto"),
        ({"training": {"epochs": 3}, "split": {"kind": "scenes"}}, "auto"),
        ({"model": {"name": "mine"}}, "auto"),
        ({"model": {"architecture": "unet"}}, None),
        ({"model": {"ensemble": 3}}, None),
        ({"start": {"weights": "imagenet"}}, None),
        ({"model": {"architecture": "unet"}, "method": "auto"}, "auto"),
        ({"method": "network"}, "network"),
        ({"task": "regression"}, None),
    ],
)
def test_the_better_one_is_kept_unless_a_network_is_stated(fields, method):
    config = resolve_defaults(with_method(TrainConfig.of(fields)))
    assert config.method == method
    assert with_method(TrainConfig.of(config.model_dump())).method == method


def test_a_run_that_began_before_there_was_a_method_goes_on_as_it_began():
    begun = TrainConfig.of({"model": {"options": {"decoder_dropout": 0.1}}})
    assert with_method(TrainConfig(), begun).method is None


def test_a_method_of_classes_is_refused_for_other_tasks():
    with pytest.raises(OptionError, match="`method='rf'` is of classes, but the task is fractions"):
        with_method(TrainConfig.of({"task": "fractions", "method": "rf"}))
    with pytest.raises(OptionError, match="`method='rf'` trains none"):
        with_method(TrainConfig.of({"search": {"trials": 3}, "method": "rf"}))
    with pytest.raises(OptionError, match=r"fitted to labelled pixels.*`method='rf'`"):
        TrainConfig.of({"model": {"architecture": "pixel_rf"}})


def test_a_forest_alone_is_a_package_whose_map_hangs_on_no_tile(pair, settings, tmp_path):
    heard = []
    config = settings.updated({"method": "rf"}).model_copy(update={"model": ModelSection()})
    model = tmp_path / "m.safetensors"
    trained = train([pair], model, config, report=heard.append)
    judged = [event for event in heard if isinstance(event, RivalJudged)]
    assert [event.method for event in judged] == [
        each.method for each in trained.comparison.methods
    ]
    assert not trained.history
    card = read_card(model)
    assert card.architecture.name == "pixel_rf"
    assert card.metrics["mIoU, test"] > 0.9
    assert card.halo.exact == trained.card.halo.default
    assert f"kept: {trained.comparison.kept}" in card.training["compared"]
    with (tmp_path / "m_run/comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == [event.method for event in judged]
    maps = []
    for tile in (None, 32 + 2 * card.halo.default):
        out = tmp_path / f"map{tile}.tif"
        segment(pair.scene, model, Outputs(out), SegmentOptions(tile=tile, halo="exact"))
        with rasterio.open(out) as dataset:
            maps.append(dataset.read(1))
    np.testing.assert_array_equal(*maps)
    truth = np.array(CLASSES)[checkered()[0]]
    assert (maps[0] == truth)[20:].mean() > 0.95
    assert (maps[0][:20, :30] == 255).all()
    with pytest.raises(OptionError, match="has none and takes seconds"):
        train([pair], tmp_path / "m.safetensors", config, resume=True, overwrite=True)


@pytest.mark.slow
def test_auto_keeps_the_forest_where_the_network_has_learnt_too_little(pair, settings, tmp_path):
    config = settings.updated({"method": "auto", **ONCE})
    trained = train([pair], tmp_path / "m.safetensors", config)
    network, *others = trained.comparison.methods
    assert network.method == "network"
    assert trained.comparison.kept == trained.comparison.best.method != "network"
    assert trained.comparison.best.validation == max(each.validation for each in others)
    assert trained.card.architecture.name in ("pixel_rf", "pixel_svm")
    assert trained.card.metrics["mIoU of network, test"] == pytest.approx(network.test, abs=1e-4)
    assert len(trained.history) == 1


@pytest.mark.slow
def test_a_network_that_was_asked_for_is_kept_with_a_warning(pair, settings, tmp_path):
    heard = []
    fields = {k: v for k, v in settings.model_dump(exclude_unset=True).items() if k != "method"}
    config = TrainConfig.of(fields).updated(ONCE)
    trained = train([pair], tmp_path / "m.safetensors", config, report=heard.append)
    assert trained.comparison.kept == "network"
    assert trained.card.architecture.name == "unet"
    [said] = [event.message for event in heard if isinstance(event, Warned)]
    assert "is better than this network: mIoU" in said
    assert "`method='auto'`" in said
    assert said in trained.card.limitations
    resumed = train([pair], tmp_path / "m.safetensors", config, resume=True, overwrite=True)
    assert resumed.comparison.methods[0].validation == trained.comparison.methods[0].validation
    assert [m.validation for m in resumed.comparison.methods] == [
        m.validation for m in trained.comparison.methods
    ]


def test_equal_maps_and_hardly_different_ones_are_ties_and_better_ones_are_not(
    pair, settings, tmp_path
):
    judged = draw_tested(load([pair], settings, tmp_path), VALIDATION, 50_000)
    truth, names = judged.classes, len(judged.data.names)
    window = np.arange(len(truth)) % 20
    ground = replace(judged, window=window)

    def wrong_in(windows):
        return np.where(windows, (truth + 1) % names, truth)

    even = wrong_in(window % 2 == 0)
    assert ground.tied(even, even)
    assert ground.tied(even, wrong_in(window % 2 == 1))
    assert not ground.tied(even, wrong_in(window % 20 == 0))
    assert not ground.tied(wrong_in(window % 20 == 0), even)
    same = replace(judged, window=np.zeros_like(window))
    assert not same.tied(even, truth)


def test_a_tie_is_said_with_the_reason_for_what_is_kept():
    def compared(network, forest, *, tied):
        methods = (
            Compared("network", network, None, 1, tied=tied),
            Compared("forest", forest, None, 1),
        )
        return Comparison(methods, 9, "forest")

    assert compared(0.7, 0.8, tied=False).tie == ""
    assert compared(0.7, 0.8, tied=True).tie.endswith("kept for its higher figure")
    assert compared(0.9, 0.8, tied=True).tie.endswith("kept as the one asked for")
    assert "network is better than this forest" in compared(0.9, 0.8, tied=False).caution
    assert compared(0.9, 0.8, tied=True).caution == ""
    assert compared(0.9, 0.8, tied=True).fact().endswith("kept: forest; a tie with network")


class Shifted(nn.Module):
    """A network that knows where the class stands: in the first band, 40 pixels to the left."""

    stride = 1

    def forward(self, image):
        """Compute logits of two classes."""
        clue = torch.roll(image[:, :1], 40, dims=3)
        return torch.cat([-clue, clue], 1)


@pytest.mark.slow
def test_auto_keeps_a_network_that_sees_what_classifiers_do_not(make_tif, settings, tmp_path):
    rng = np.random.default_rng(0)
    pairs = []
    for part in ("train", "validation", "test"):
        clue = np.kron(rng.integers(0, 2, (16, 32)), np.ones((4, 4), np.int64))
        image = (1000 + 500 * clue + rng.normal(0, 20, (3, 64, 128))).astype(np.uint16)
        labels = np.full(clue.shape, 255, np.uint8)
        labels[:, 40:] = clue[:, :-40]
        scene = make_tif(image, f"{part}.tif", descriptions=("B02", "B03", "B04"))
        pairs.append(SceneWithLabels(scene, make_tif(labels, f"{part}_.tif", nodata=255), part))
    config = settings.updated({"method": "auto", "split.kind": "column"})
    data = load(pairs, config, tmp_path)
    beside = fit_beside(data, lambda _: None)
    comparison, rival = beside.compare(Shifted(), 1.0, Device.choose("cpu", "fp32"))
    assert rival is None
    assert comparison.kept == "network"
    assert not comparison.caution
    others = [each.validation for each in comparison.methods[1:]]
    assert max(others) < 0.6
    assert comparison.methods[0].validation == comparison.methods[0].test == 1


def test_pixels_to_judge_teach_nothing(make_tif, settings, tmp_path):
    """With labels at random, a method that had learnt from the pixels it is judged on would be right."""
    rng = np.random.default_rng(0)
    image = rng.integers(1, 10_000, (3, 128, 128)).astype(np.uint16)
    labels = rng.integers(0, 2, (128, 128)).astype(np.uint8)
    pair = SceneWithLabels(
        make_tif(image, "s.tif", descriptions=("B02", "B03", "B04")), make_tif(labels, "l.tif")
    )
    data = load([pair], settings.updated({"method": "rf"}), tmp_path)
    learnt, judged = draw_learnt(data, 20_000), draw_tested(data, VALIDATION, 50_000)
    assert len(learnt.classes) == data.split.labelled(TRAIN).sum()
    assert len(judged.classes) == data.split.labelled(VALIDATION).sum()
    beside = fit_beside(data, lambda _: None)
    assert [rival.name for rival in beside.rivals] == [
        "random forest (spectrum)",
        "random forest (spectrum and texture)",
    ]
    for rival in beside.rivals:
        assert rival.iou == pytest.approx(1 / 3, abs=0.05)


def test_settings_of_a_network_are_refused_where_none_is_trained():
    for fields in ({"model": {"architecture": "segnet"}}, {"start": {"weights": "imagenet"}}):
        with pytest.raises(OptionError, match="trains no network, but .* is set"):
            with_method(TrainConfig.of({"method": "rf", **fields}))
    written = TrainConfig.of(tomllib.loads(TrainConfig(method="rf").to_toml()))
    assert with_method(written).method == "rf"
