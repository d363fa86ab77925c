"""Continual learning: old ground is rehearsed beside new ground, and what is forgotten is told."""

import shutil

import lightning as L  # noqa: N812
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import chisquare

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Warned
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.models.runtime.device import Device
from georaster_dl.testing import checkered, write_raster
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.datamodule import PatchDataModule
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.pace.average import RunningAverage
from georaster_dl.training.rehearsal.forgetting import forgetting
from georaster_dl.training.rehearsal.reservoir import Reservoir, capacity, draw_slots
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import resolve_defaults
from georaster_dl.training.train import train

OLD_VALUE, NEW_VALUE = 0.2, 0.9  # mean reflectances


CONFIG = TrainConfig.of(
    {
        "task": "autoencoder",
        "model": {"architecture": "dense_autoencoder", "options": {"code": 2, "hidden": [8]}},
        "split": {"block": 16, "buffer": 0},
        "patches": {"size": 32, "per_epoch": 8},
        "training": {
            "epochs": 1, "batch": 4, "workers": 0, "device": "cpu", "precision": "fp32",
        },
    }
)  # fmt: skip


def write_ground(path, value):
    """Write a scene of mean reflectance ``value``."""
    image = checkered()[1][:, :96, :96].astype(np.float32)
    stored = (image - image.mean()) / image.std() * 300 + value * 1e4
    named = {"bands": ("B02", "B03", "B04"), "scale": (1e-4,) * 3, "offset": (0.0,) * 3}
    write_raster(path, stored.round().astype(np.uint16), nodata=0, **named)
    return SceneWithLabels(str(path), None)


@pytest.fixture(scope="module")
def grounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grounds")
    return {v: write_ground(folder / f"{v}.tif", v) for v in (OLD_VALUE, NEW_VALUE)}


@pytest.fixture(scope="module")
def new(grounds):
    return grounds[NEW_VALUE]


@pytest.fixture(scope="module")
def base(grounds, tmp_path_factory):
    """A model of old ground, with the folder of its run."""
    model = tmp_path_factory.mktemp("base") / "base.safetensors"
    trained = train([grounds[OLD_VALUE]], model, CONFIG)
    return trained.model, trained.folder


@pytest.fixture
def going_on(base):
    """Settings of a run that goes on from the model of old ground."""
    start = {"weights": str(base[0]), "rehearse": str(base[1])}
    return CONFIG.updated({"model": {}, "start": start})


def test_each_of_ten_thousand_patches_has_the_same_chance_to_be_kept():
    kept = np.zeros(10_000, int)
    for seed in range(20):
        first = draw_slots(seed, 200, 0, 6_000)
        second = draw_slots(seed, 200, 6_000, 4_000)
        held = np.where(second >= 0, second + 6_000, first)
        assert len(np.unique(held)) == 200
        kept[held] += 1
    by_hundred = kept.reshape(100, 100).sum(axis=1)
    assert by_hundred.sum() == 20 * 200
    assert 0.001 < chisquare(by_hundred).pvalue < 0.999


def test_a_reservoir_keeps_all_until_it_is_full_and_is_bounded():
    np.testing.assert_array_equal(draw_slots(0, 5, 0, 3), [0, 1, 2])
    np.testing.assert_array_equal(draw_slots(0, 5, 3, 2), [-1, -1, -1, 0, 1])
    np.testing.assert_array_equal(draw_slots(7, 5, 100, 50), draw_slots(7, 5, 100, 50))
    assert capacity(3, 32) == 2000
    assert capacity(200, 64) * 200 * 64**2 * 4 <= 2**28


@pytest.mark.slow
def test_a_run_goes_on_rehearses_and_tells_its_generation(base, new, going_on, tmp_path):
    old = Reservoir.of_run(base[1])
    said = []
    trained = train([new], tmp_path / "second.safetensors", going_on, report=said.append)
    before, card = read_card(base[0]), trained.card
    # Normalisation stays, what moved is told.
    assert [(b.mean, b.std) for b in card.bands] == [(b.mean, b.std) for b in before.bands]
    warnings = " ".join(event.message for event in said if isinstance(event, Warned))
    assert "B02 by +" in warnings
    assert card.training["lineage"].startswith("generation 2, ")
    assert before.weights_sha256 in card.training["lineage"]
    assert "learning rate 0.0003" in card.training["patches"]
    names = [
        f"R2 of {ground} ground, {when}"
        for ground in ("old", "new")
        for when in ("before", "after")
    ]
    assert set(names) <= card.metrics.keys()
    # The stream goes on: nothing is dropped before the reservoir is full.
    both = Reservoir.of_run(trained.folder)
    assert both.facts.seen == both.count > old.count
    np.testing.assert_array_equal(both.read(0)[0], old.read(0)[0])
    means = [image[:, valid].mean() for image, valid in map(both.read, range(both.count))]
    assert np.median(means[: old.count]) == pytest.approx(OLD_VALUE, abs=0.05)
    assert np.median(means[old.count :]) == pytest.approx(NEW_VALUE, abs=0.05)
    # The third generation counts on.
    third = going_on.updated(
        {"start.weights": str(trained.model), "start.rehearse": str(trained.folder)}
    )
    again = train([new], tmp_path / "third.safetensors", third)
    assert again.card.training["lineage"].startswith("generation 3, ")


def test_half_of_each_batch_is_old_ground(base, new, going_on, tmp_path):
    with CacheFolder(tmp_path / "m.safetensors") as cache:
        data = load_training_data([new], resolve_defaults(going_on), cache, lambda _: None)
        for kind in ("balanced", "grid"):
            drawn = data.config.updated({"patches.sampling": kind})
            patches = load_training_data([new], drawn, cache, lambda _: None)
            batches = list(
                PatchDataModule(patches, Device.choose("cpu", "fp32")).train_dataloader()
            )
            assert len(batches) == 2
            for _, target in batches:
                means = [np.nanmean(each) for each in target.numpy()]
                # Normalised by old ground, new ground is many deviations above it.
                assert [mean > 3 for mean in means] == [True, False, True, False]


@pytest.mark.slow
def test_without_steps_nothing_changes(base, grounds, going_on, tmp_path):
    still = going_on.updated({"training.learning_rate": 1e-30})
    trained = train([grounds[OLD_VALUE]], tmp_path / "same.safetensors", still)
    expected, found = load_file(base[0]), load_file(trained.model)
    network = load_model(base[0])[1]
    for name, _ in network.named_parameters():
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-20)
    metrics = trained.card.metrics
    assert metrics["R2 of old ground, before"] == metrics["R2 of old ground, after"]


def test_the_average_begins_with_the_model_before():
    module = L.LightningModule()
    module.weight = torch.nn.Parameter(torch.zeros(1))
    average = RunningAverage(from_start=True)
    average.setup(None, module, "fit")
    module.weight.data.fill_(1)
    average._average_model.update_parameters(module)
    assert average._average_model.module.weight.item() == pytest.approx(0.01)


def test_old_ground_that_is_forgotten_is_warned_of(base, new, going_on, tmp_path):
    said = []
    with CacheFolder(tmp_path / "m.safetensors") as cache:
        data = load_training_data([new], resolve_defaults(going_on), cache, lambda _: None)
        before = {"old ground": 0.9, "new ground": 0.1}
        network = torch.nn.Conv2d(3, 3, 1)
        torch.nn.init.zeros_(network.weight)
        torch.nn.init.zeros_(network.bias)
        figures = forgetting(before, network, data, Device.choose("cpu", "fp32"), said.append)
    # What is always the mean explains nothing.
    assert figures["R2 of old ground, after"] == pytest.approx(0, abs=0.2)
    assert figures["R2 of old ground, before"] == 0.9
    assert "old ground fell" in said[0]
    assert "training.learning_rate" in said[0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"start.weights": "random"}, "starts from random, which is none; give the model of that run by `init=`"),
        ({"task": "segmentation"}, "is of autoencoders, but the task is segmentation; use `task='autoencoder'`"),
        ({"start.rehearse": "{base}"}, "which has no rehearsal/reservoir.json"),
        ({"patches.size": 64}, "its patches.size is 32, but now it is 64; leave it out"),
        ({"scene.bands": ["B04", "B03"]}, "its bands is B02, B03, B04, but now it is B04, B03; read these"),
    ],
)  # fmt: skip
def test_what_cannot_be_rehearsed_is_explained(changes, text, new, going_on, tmp_path):
    changes = {k: str(tmp_path) if v == "{base}" else v for k, v in changes.items()}
    with pytest.raises(OptionError) as error:
        train([new], tmp_path / "m.safetensors", going_on.updated(changes))
    assert text in str(error.value)
    assert not (tmp_path / "m_run").exists()


def test_a_run_does_not_replace_what_it_rehearses(base, new, going_on):
    with pytest.raises(OptionError, match="is the folder that this run would replace"):
        train([new], base[0], going_on, overwrite=True)
    assert Reservoir.of_run(base[1]).count


def test_a_damaged_reservoir_is_refused(base, tmp_path):
    shutil.copytree(base[1] / "rehearsal", tmp_path / "rehearsal")
    (tmp_path / "rehearsal" / "patches.npy").write_bytes(b"")
    with pytest.raises(OptionError, match="are damaged; train that run again"):
        Reservoir.of_run(tmp_path)
