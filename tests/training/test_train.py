"""Training from scenes to a package: learning, resuming, freezing, refusing."""

from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from safetensors.torch import load_file

from georaster_dl.core.errors import OptionError, OutputError, UnknownModelError
from georaster_dl.core.events import EpochEnded, Progressed, Warned
from georaster_dl.io.labels.read import LabelOptions, labels_digest
from georaster_dl.models import registry
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.predict.options import Outputs
from georaster_dl.predict.segment import segment
from georaster_dl.testing import checkered
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.loop.learner import SCORE
from georaster_dl.training.loop.run_folder import finished_epoch
from georaster_dl.training.loop.trainer import AtomicCheckpoints
from georaster_dl.training.settings.config import TrainConfig, read_config
from georaster_dl.training.settings.resolve import resolve_defaults
from georaster_dl.training.train import train
from tests.networks import S2_OPTIONS, save_optional
from tests.training.conftest import CLASSES


class StopError(Exception):
    """Stands for whatever ends a run."""


def stop_after(epoch):
    """A report that ends the run when an epoch is done and the next has begun."""

    def report(event):
        if isinstance(event, Progressed) and event.done > 4 * epoch:
            raise StopError

    return report


@pytest.mark.slow
def test_a_model_learns_and_says_what_it_learnt(pair, settings, tmp_path):
    settings = settings.updated({"training.epochs": 12, "patches.per_epoch": 32})
    trained = train([pair], tmp_path / "model.safetensors", settings)
    card = read_card(tmp_path / "model.safetensors")
    assert card == trained.card
    assert card.metrics["mIoU, test"] > 0.8
    assert [c.value for c in card.classes] == list(CLASSES)
    assert [band.name for band in card.bands] == ["B02", "B03", "B04"]
    assert card.quantity == "reflectance"
    assert card.resolution_m == (10, 10)
    assert card.places == ((3.0, 45.1),)
    assert card.configuration["split.block"] == "16"
    assert card.training["scenes"] == "scene.tif"
    assert card.training["labels"] == pair.labels.name
    digest = labels_digest(pair.labels, LabelOptions(), numbers=False)
    assert card.training["labels_sha256"] == digest
    assert 0 < card.bands[0].mean < 0.4
    # Prediction sets and rejection rest on the validation ground, and all of it.
    assert f"validation {card.calibration.pixels}," in card.training["labelled pixels"]
    assert 0 < card.calibration.largest_score(0.9) < 1
    assert 0 < card.calibration.least_confidence(0.9) < 1
    folder = tmp_path / "model_run"
    assert read_config(folder / "config.toml") == resolve_defaults(settings)
    lines = (folder / "log.csv").read_text().splitlines()
    assert lines[0].startswith("epoch,loss,val_loss,val_score")
    assert len(lines) == 1 + len(trained.history)
    assert not (folder / "tensorboard").exists()
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    # The map of the scene has the labels' own values, and nodata where the scene has.
    outputs = Outputs(tmp_path / "map.tif", novelty=tmp_path / "novelty.tif")
    summary = segment(pair.scene, tmp_path / "model.safetensors", outputs)
    assert summary.novelty < 0.05
    with rasterio.open(tmp_path / "map.tif") as dataset:
        classes = dataset.read(1)
    truth = np.array(CLASSES)[checkered()[0]]
    valid = np.ones(truth.shape, bool)
    valid[:20, :30] = False
    assert set(np.unique(classes)) == {*CLASSES, 255}
    assert (classes[~valid] == 255).all()
    assert (classes == truth)[valid].mean() > 0.85


@pytest.mark.slow
def test_further_processes_of_a_training_return_without_a_package(
    pair, settings, tmp_path, monkeypatch
):
    """What Lightning starts beside the first process on several GPUs; none of them ends the caller."""
    model = tmp_path / "model.safetensors"
    settings = settings.updated({"training.epochs": 1})
    train([pair], model, settings)  # the checkpoint that all processes end with
    model.unlink()
    with CacheFolder(model) as cache:
        load_training_data([pair], settings, cache, lambda _: None)
        monkeypatch.setenv("LOCAL_RANK", "1")
        assert train([pair], model, settings) is None
    assert not model.exists()


def test_the_split_is_written_as_a_map(pair, settings, tmp_path):
    train([pair], tmp_path / "model.safetensors", settings.updated({"training.epochs": 1}))
    frame = geopandas.read_file(tmp_path / "model_run/split.gpkg", layer="split")
    assert {"train", "validation", "test"} <= set(frame["part"])
    assert frame.crs.to_epsg() == 32631
    with rasterio.open(pair.scene) as dataset:
        area = (dataset.bounds.right - dataset.bounds.left) * (
            dataset.bounds.top - dataset.bounds.bottom
        )
    assert frame.area.sum() == pytest.approx(area)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_are_clipped_before_a_fused_step(pair, settings, tmp_path, precision):
    clip = 1e-3
    chosen = {"training.epochs": 1, "training.precision": precision, "training.clip": clip}
    train([pair], tmp_path / "model.safetensors", settings.updated(chosen))
    last = torch.load(tmp_path / "model_run/checkpoints/last.ckpt", weights_only=True)
    [optimiser] = last["optimizer_states"]
    assert optimiser["param_groups"][0]["fused"]
    mean = torch.cat([state["exp_avg"].ravel() for state in optimiser["state"].values()])
    assert 0 < mean.norm() <= 1.001 * clip


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_resumed_run_equals_an_unbroken_one(pair, settings, tmp_path, workers):
    """Bit for bit: weights, figures and card, dropout and gradual unfreezing included."""
    settings = settings.updated({"training.workers": workers})
    first = tmp_path / "first.safetensors"
    train([pair], first, settings.updated({"training.epochs": 1}))
    settings = settings.updated(
        {"start.weights": str(first), "start.freeze": "encoder", "start.unfreeze_every": 1}
    )
    whole = train([pair], tmp_path / "whole.safetensors", settings)
    broken = tmp_path / "broken.safetensors"
    with pytest.raises(StopError):
        train([pair], broken, settings, report=stop_after(2))
    assert not broken.exists()
    resumed = train([pair], broken, settings, resume=True)
    assert resumed.history == whole.history
    expected, found = load_file(tmp_path / "whole.safetensors"), load_file(broken)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name
    assert resumed.card.metrics == whole.card.metrics
    last = [
        torch.load(tmp_path / f"{n}_run/checkpoints/last.ckpt", weights_only=False)
        for n in ("whole", "broken")
    ]
    for name, tensor in last[0]["state_dict"].items():
        assert torch.equal(tensor, last[1]["state_dict"][name]), name


@pytest.mark.slow
def test_at_no_learning_rate_no_weight_changes(pair, settings, tmp_path):
    """But the statistics of its batch normalisation, which are no weights."""
    trained = []
    for number, rate in enumerate((1e-30, 1e-30, 1e-3)):
        config = settings.updated(
            {"training.learning_rate": rate, "training.epochs": min(number + 1, 2)}
        )
        train([pair], path := tmp_path / f"{number}.safetensors", config)
        trained.append(dict(load_model(path)[1].named_parameters()))
    for name, tensor in trained[0].items():
        torch.testing.assert_close(tensor, trained[1][name], rtol=0, atol=1e-20)
    assert any(not torch.equal(tensor, trained[2][name]) for name, tensor in trained[0].items())


@pytest.mark.slow
def test_the_seed_decides(pair, settings, tmp_path):
    settings = settings.updated({"training.epochs": 1})
    runs = {
        name: train([pair], tmp_path / f"{name}.safetensors", settings.updated({"seed": seed}))
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    }
    assert runs["a"].card.weights_sha256 == runs["b"].card.weights_sha256
    assert runs["a"].card.weights_sha256 != runs["c"].card.weights_sha256


@pytest.mark.slow
def test_an_epoch_that_was_told_is_saved(pair, settings, tmp_path):
    def stop(event):
        if isinstance(event, EpochEnded):
            raise StopError

    with pytest.raises(StopError):
        train([pair], tmp_path / "model.safetensors", settings, report=stop)
    assert finished_epoch(tmp_path / "model_run/checkpoints/last.ckpt") == 0


@pytest.mark.slow
def test_a_run_that_was_moved_knows_its_best_epoch(pair, settings, tmp_path):
    one = settings.updated({"training.epochs": 1})
    train([pair], tmp_path / "model.safetensors", one)
    (tmp_path / "model_run").rename(tmp_path / "moved_run")
    folder = tmp_path / "moved_run/checkpoints"
    last = AtomicCheckpoints().load_checkpoint(folder / "last.ckpt")
    best = ModelCheckpoint(folder, "best", monitor=SCORE, mode="max", save_on_train_epoch_end=True)
    best.load_state_dict(last["callbacks"][best.state_key])
    assert best.best_model_score > 0
    assert list(best.best_k_models) == [str(folder / "best.ckpt")]


@pytest.mark.slow
def test_what_cannot_be_resumed_is_explained(pair, settings, tmp_path):
    model = tmp_path / "model.safetensors"
    with pytest.raises(OptionError, match="broken off, but there is none at .*model_run"):
        train([pair], model, settings, resume=True)
    with pytest.raises(StopError):
        train([pair], model, settings, report=stop_after(1))
    with pytest.raises(OptionError, match=r"seed was '0' and is '1' now.*config.toml"):
        train([pair], model, settings.updated({"seed": 1}), resume=True)
    with pytest.raises(
        OutputError, match="exists from an earlier run; continue it with `resume=True`"
    ):
        train([pair], model, settings)
    trained = train([pair], model, settings.updated({"training.epochs": 1}), overwrite=True)
    assert len(trained.history) == 1


def test_foreign_folders_are_never_removed(pair, settings, tmp_path):
    (tmp_path / "model_run").mkdir()
    (tmp_path / "model_run/thesis.txt").write_text("ten years of work")
    with pytest.raises(OutputError, match="exists from an earlier run"):
        train([pair], tmp_path / "model.safetensors", settings, overwrite=True)
    assert (tmp_path / "model_run/thesis.txt").exists()


@pytest.mark.slow
def test_training_stops_when_nothing_is_gained(pair, settings, tmp_path):
    settings = settings.updated(
        {"training.learning_rate": 1e-12, "training.patience": 2, "training.epochs": 30}
    )
    trained = train([pair], tmp_path / "model.safetensors", settings)
    assert len(trained.history) < 30


@pytest.mark.slow
def test_the_best_epoch_is_packaged(pair, settings, tmp_path):
    trained = train([pair], tmp_path / "model.safetensors", settings)
    best = max(trained.history, key=lambda entry: entry["val_score"])
    checkpoint = torch.load(tmp_path / "model_run/checkpoints/best.ckpt", weights_only=False)
    assert checkpoint["epoch"] == best["epoch"]
    _, network = load_model(tmp_path / "model.safetensors")
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, checkpoint["state_dict"][f"network.{name}"].to(tensor.dtype))


@pytest.mark.slow
def test_training_goes_on_from_a_package(pair, settings, tmp_path):
    first = tmp_path / "first.safetensors"
    train([pair], first, settings.updated({"training.epochs": 8}))
    settings = settings.updated({"start.weights": str(first), "training.epochs": 1})
    second = train([pair], tmp_path / "second.safetensors", settings)
    scratch = train(
        [pair], tmp_path / "scratch.safetensors", settings.updated({"start.weights": "random"})
    )
    assert second.history[0]["val_score"] > scratch.history[0]["val_score"]
    assert second.card.training["started"].startswith("from first 1")


@pytest.mark.slow
def test_the_architecture_of_the_package_is_taken_over(pair, settings, tmp_path):
    first = tmp_path / "first.safetensors"
    train([pair], first, settings.updated({"training.epochs": 1}))
    plain = TrainConfig.of(
        {
            **settings.model_dump(exclude={"model"}, exclude_none=True),
            "start": {"weights": str(first)},
        }
    ).updated({"training.epochs": 1})
    second = train([pair], tmp_path / "second.safetensors", plain)
    assert second.card.architecture == read_card(first).architecture


@pytest.mark.slow
def test_a_package_of_optional_bands_is_narrowed_to_the_scenes(pair, settings, tmp_path):
    """These three bands lack the near infrared that a map by the package would need."""
    start = save_optional(tmp_path / "start.safetensors")
    fields = settings.model_dump(exclude={"model"}, exclude_none=True)
    chosen = TrainConfig.of({**fields, "start": {"weights": str(start)}})
    trained = train([pair], tmp_path / "m.safetensors", chosen.updated({"training.epochs": 1}))
    card = trained.card
    assert card.architecture.name == "spectral_unet"
    own = {"optional_bands": False, "decoder_dropout": 0.1}
    assert card.architecture.options == S2_OPTIONS | own
    assert ([band.name for band in card.bands], card.required_bands) == (["B02", "B03", "B04"], ())
    assert {(band.mean, band.std) for band in card.bands} == {(0.2, 0.1)}  # the package's
    assert "3 of 3 bands found again" in card.training["started"]
    assert load_model(tmp_path / "m.safetensors")[0] == card


@pytest.mark.slow
def test_the_network_of_our_own_needs_no_options(pair, settings, tmp_path):
    path = tmp_path / "train.toml"
    path.write_text('[model]\narchitecture = "spectral_unet"\n')
    config = read_config(path).updated(
        {
            f"{section}.{key}": value
            for section in ("split", "patches", "training")
            for key, value in getattr(settings, section).model_dump(exclude_unset=True).items()
        }
        | {"training.epochs": 1}
    )
    trained = train([pair], tmp_path / "m.safetensors", config)
    assert trained.card.architecture.options == {"decoder_dropout": 0.1}
    assert trained.card.halo.exact == 48
    assert trained.card.stride == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("segnet", {"widths": [4, 8], "depths": [1, 1]}),
        ("plain_unet", {"widths": [4, 8]}),
        ("dense_classifier", {"code": 4}),
    ],
)
def test_our_other_networks_are_trained_frozen_and_let_go(pair, settings, tmp_path, name, options):
    fields = settings.model_dump(exclude={"model"}, exclude_unset=True)
    plain = TrainConfig.of({**fields, "model": {"architecture": name, "options": options}})
    plain = plain.updated({"training.epochs": 1})
    first = tmp_path / "first.safetensors"
    assert train([pair], first, plain).card.architecture.encoder is None
    frozen = {"start.weights": str(first), "start.freeze": "encoder", "start.unfreeze_every": 1}
    second = train([pair], tmp_path / "second.safetensors", plain.updated(frozen))
    assert "classes taken: 1, 10, 14" in second.card.training["started"]


def test_a_network_whose_outputs_do_not_fit_is_refused(pair, tmp_path, monkeypatch):
    registry.list_models()
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))

    class Halved(torch.nn.Module):
        stride = 2

        def __init__(self, bands, outputs):
            super().__init__()
            self.layer = torch.nn.Conv2d(bands, outputs, 2, stride=2)

        def forward(self, image):
            return self.layer(image)

    @registry.register_model(options={})
    def halved(spec):
        return Halved(spec.in_bands, spec.n_classes)

    path = tmp_path / "train.toml"
    path.write_text('[model]\narchitecture = "halved"\n[split]\nblock = 16\n')
    with pytest.raises(
        OptionError, match=r"gives \(1, 3, 32, 32\) for an image of \(1, 3, 64, 64\), .*forward"
    ):
        train([pair], tmp_path / "model.safetensors", read_config(path))
    assert not (tmp_path / "model_run").exists()


def test_a_network_of_too_many_levels_is_refused(pair, settings, tmp_path):
    deep = settings.updated(
        {"model": {"architecture": "plain_unet", "options": {"widths": [2] * 7}}}
    )
    with pytest.raises(OptionError, match="plain_unet .* stride of 64 pixels.* takes up to 32"):
        train([pair], tmp_path / "m.safetensors", deep)


@pytest.mark.slow
def test_frozen_parts_stay_as_they_were(pair, settings, tmp_path):
    first = tmp_path / "first.safetensors"
    train([pair], first, settings.updated({"training.epochs": 1}))
    for what, trainable in (
        ("encoder", ("decoder", "segmentation_head")),
        ("all-but-head", ("segmentation_head",)),
    ):
        settings = settings.updated(
            {"start.weights": str(first), "start.freeze": what, "training.epochs": 1}
        )
        second = tmp_path / f"{what}.safetensors"
        train([pair], second, settings)
        before, after = load_file(first), load_file(second)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed
        assert all(name.startswith(trainable) for name in changed)


@pytest.mark.slow
def test_a_quantity_is_learnt(make_tif, settings, tmp_path):
    _, image = checkered()
    height = (image[0].astype(np.float32) * 0.002 + 5).astype(np.float32)
    height[:, -40:] = -9999
    scene = make_tif(
        image, descriptions=("B02", "B03", "B04"), scales=(1e-4,) * 3, offsets=(0.0,) * 3
    )
    pair = SceneWithLabels(str(scene), make_tif(height, "height.tif", nodata=-9999))
    settings = settings.updated(
        {"task": "regression", "training.epochs": 15, "patches.per_epoch": 32}
    )
    trained = train([pair], tmp_path / "model.safetensors", settings)
    assert trained.card.task == "regression"
    assert trained.card.targets[0].name == "height"
    assert trained.card.metrics["R2, test"] > 0.7
    assert trained.card.metrics["RMSE, test"] < trained.card.metrics["RMSE of the mean, test"]
    segment(str(scene), tmp_path / "model.safetensors", Outputs(tmp_path / "map.tif"))
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.dtypes == ("float32",)
        values = dataset.read(1)
    known = height > -9999
    assert np.corrcoef(values[known], height[known])[0, 1] > 0.8


def test_labels_that_never_vary_are_no_regression(make_tif, settings, tmp_path):
    _, image = checkered()
    labels = make_tif(np.full(image.shape[1:], 3.5, np.float32), "labels.tif")
    with pytest.raises(OptionError, match="All labels have the same number, 3.5"):
        train(
            [SceneWithLabels(str(make_tif(image)), labels)],
            tmp_path / "model.safetensors",
            settings.updated({"task": "regression"}),
        )


@pytest.mark.slow
def test_the_learning_rate_is_found(pair, settings, tmp_path):
    said = []
    settings = settings.updated({"training.learning_rate": "find", "training.epochs": 1})
    train([pair], tmp_path / "model.safetensors", settings, report=said.append)
    assert any(
        "learning rate found" in event.message for event in said if isinstance(event, Warned)
    )


@pytest.mark.slow
def test_whole_scenes_are_divided(make_tif, settings, tmp_path):
    pairs = []
    for number in range(6):
        classes, image = checkered(number, (64, 64))
        transform = rasterio.transform.from_origin(500_000 + 10_000 * number, 5_000_000, 10, 10)
        scene = make_tif(image, f"scene{number}.tif", transform=transform)
        labels = make_tif(
            np.array(CLASSES, np.uint8)[classes], f"labels{number}.tif", transform=transform
        )
        pairs.append(SceneWithLabels(str(scene), labels))
    settings = settings.updated({"split.kind": "scenes", "training.epochs": 1})
    trained = train(pairs, tmp_path / "model.safetensors", settings)
    assert trained.card.training["split"].startswith("whole scenes")
    assert trained.card.quantity == "digital numbers"


def test_pretrained_weights_need_the_internet_once(pair, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    settings = settings.updated({"start.weights": "imagenet", "model.encoder": "resnet18"})
    with pytest.raises(UnknownModelError, match="imagenet.*resnet18.*internet|HF_HOME"):
        train([pair], tmp_path / "model.safetensors", settings)


def test_mixed_calibration_is_refused(pair, make_tif, settings, tmp_path):
    classes, image = checkered(1)
    other = SceneWithLabels(
        str(make_tif(image, "raw.tif", descriptions=("B02", "B03", "B04"))),
        make_tif(np.array(CLASSES, np.uint8)[classes], "raw_labels.tif"),
    )
    with pytest.raises(
        ValueError, match=r"scene.tif says what its numbers mean .*raw.tif does not"
    ):
        train([pair, other], tmp_path / "model.safetensors", settings)


def test_wrong_names_are_refused_before_anything_is_read(pair, settings, tmp_path):
    with pytest.raises(OptionError, match="end it in .safetensors"):
        train([pair], tmp_path / "model.pt", settings)
    with pytest.raises(OptionError, match="does not exist"):
        train([pair], tmp_path / "nowhere/model.safetensors", settings)
    (tmp_path / "model.safetensors").write_text("")
    with pytest.raises(OptionError, match="exists; give another name or use `overwrite=True`"):
        train([pair], tmp_path / "model.safetensors", settings)
    assert not Path(tmp_path / "model_run").exists()
