"""Training of an ensemble as one package: its members, their folders, resuming, figures and calibrations."""

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import load_file

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import EpochEnded, Progressed, TrainingStarted
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import segment
from georaster_dl.testing import checkered
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import resolve_defaults
from georaster_dl.training.train import train
from tests.training.test_train import StopError


@pytest.fixture
def ensemble(settings):
    return settings.updated({"model.ensemble": 2, "training.epochs": 2})


def members_of(path):
    """State of each member of a package."""
    prefix = "encoder.members."
    members = {}
    for name, tensor in load_file(path).items():
        number, _, rest = name.removeprefix(prefix).partition(".")
        members.setdefault(int(number), {})[rest] = tensor
    return list(members.values())


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(tensor, b[name]) for name, tensor in a.items())


@pytest.mark.slow
def test_the_members_are_the_networks_of_one_seed_after_the_other(pair, ensemble, tmp_path):
    """On the split of the first seed; so the first is the network that a single training gives."""
    events = []
    trained = train([pair], tmp_path / "both.safetensors", ensemble, report=events.append)
    single = ensemble.updated({"model.ensemble": 1})
    alone = train([pair], tmp_path / "one.safetensors", single)
    first, second = members_of(tmp_path / "both.safetensors")
    assert equal(first, load_file(tmp_path / "one.safetensors"))
    assert not equal(first, second)
    assert [entry["member"] for entry in trained.history] == [1, 1, 2, 2]
    assert [
        {key: value for key, value in entry.items() if key != "member"}
        for entry in trained.history[:2]
    ] == alone.history
    for number in (1, 2):
        assert (tmp_path / f"both_run/member_{number}/log.csv").exists()
    assert not (tmp_path / "both_run/checkpoints").exists()
    # One training for whoever follows it.
    assert sum(isinstance(event, TrainingStarted) for event in events) == 1
    ended = [event for event in events if isinstance(event, EpochEnded)]
    assert [(event.member, event.members) for event in ended] == [(1, 2), (1, 2), (2, 2), (2, 2)]
    progress = [event for event in events if isinstance(event, Progressed)]
    assert [event.done for event in progress] == list(range(1, 17))
    assert {event.total for event in progress} == {16}


@pytest.mark.slow
def test_the_card_describes_the_ensemble(pair, ensemble, tmp_path):
    path = tmp_path / "both.safetensors"
    train([pair], path, ensemble)
    card, network = load_model(path)
    assert (card.architecture.name, card.architecture.encoder) == ("ensemble", "tu-test_resnet")
    assert card.architecture.options == {
        "member": "unet", "members": 2, "spread": False, "encoder_depth": 2,
        "decoder_channels": [16, 8], "decoder_dropout": 0.1,
    }  # fmt: skip
    assert card.configuration["model.ensemble"] == "2"
    assert card.training["epochs"].startswith("2, 2 of 2 members, of which the best were ")
    assert card.stride == 4
    assert card.halo.exact is not None
    # Probabilities are the members' mean, and each way to make them has its own temperature.
    assert set(card.calibrations) == {"ensemble"}
    assert card.calibrations["ensemble"].ece is not None
    image = torch.randn(1, 3, 16, 16)
    with torch.inference_mode():
        mean = torch.stack([member(image).softmax(1) for member in network.members]).mean(0)
        torch.testing.assert_close(network(image).exp(), mean)
    # And so are the figures.
    config = resolve_defaults(ensemble)
    right = total = 0
    with CacheFolder(tmp_path / "again.safetensors") as cache:
        data = load_training_data([pair], config, cache, lambda _: None)
        for window in data.evaluation_windows(2):
            image, valid, target = data.split.reader(2).read(window)
            batch = torch.from_numpy(data.scaling.apply(image, valid))[None]
            with torch.inference_mode():
                mean = sum(member(batch).softmax(1) for member in network.members)
            right += int((mean[0].argmax(0).numpy() == target)[target >= 0].sum())
            total += int((target >= 0).sum())
    assert card.metrics["OA, test"] == pytest.approx(right / total, abs=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [6, 11])
def test_a_resumed_run_equals_an_unbroken_one(pair, ensemble, tmp_path, stopped):
    """Killed in the second epoch of the first member (with one to go on from), or in the second member."""

    def stop(event):
        if isinstance(event, Progressed) and event.done >= stopped:
            raise StopError

    whole = train([pair], tmp_path / "whole.safetensors", ensemble)
    broken = tmp_path / "broken.safetensors"
    with pytest.raises(StopError):
        train([pair], broken, ensemble, report=stop)
    done = []
    resumed = train([pair], broken, ensemble, resume=True, report=done.append)
    assert min(event.done for event in done if isinstance(event, Progressed)) > stopped // 4 * 4 - 4
    assert resumed.history == whole.history
    assert resumed.card.metrics == whole.card.metrics
    assert resumed.card.calibrations == whole.card.calibrations
    assert equal(load_file(tmp_path / "whole.safetensors"), load_file(broken))


@pytest.mark.slow
def test_quantities_have_a_mean_and_a_spread(make_tif, pair, settings, tmp_path):
    image = checkered()[1]
    values = make_tif((image[0] / 1e4).astype(np.float32), "values.tif", nodata=-1)
    settings = settings.updated({"model.ensemble": 2, "task": "regression", "training.epochs": 8})
    path = tmp_path / "model.safetensors"
    trained = train([SceneWithLabels(pair.scene, values)], path, settings)
    card = read_card(path)
    assert card.architecture.options["spread"] is True
    assert (len(card.targets), card.outputs) == (1, 2)
    assert trained.card.metrics["R2, test"] > 0.2
    outputs = Outputs(tmp_path / "map.tif", uncertainty=tmp_path / "sd.tif")
    segment(pair.scene, path, outputs, SegmentOptions(predictor="ensemble"))
    with rasterio.open(tmp_path / "sd.tif") as dataset:
        assert dataset.descriptions == ("mean", "sd")
        mean, spread = dataset.read()
    valid = np.isfinite(mean)
    assert (spread[valid] >= 0).all()
    assert 0 < spread[valid].mean() < mean[valid].std()


@pytest.mark.slow
def test_networks_of_spectra_and_of_patches_are_members_too(pair, settings, tmp_path):
    for architecture in ("cnn1d", "ssftt"):
        fields = {"model.architecture": architecture, "model.options": {}, "model.ensemble": 2}
        chosen = settings.updated({**fields, "patches.size": None, "training.epochs": 1})
        path = tmp_path / f"{architecture}.safetensors"
        train([pair], path, chosen)
        card, network = load_model(path)
        assert (card.architecture.options["member"], card.architecture.encoder) == (
            architecture,
            None,
        )
        assert len(network.members) == card.architecture.options["members"] == 2


@pytest.mark.slow
def test_each_member_goes_on_from_one_of_a_package(pair, settings, ensemble, tmp_path):
    first = tmp_path / "first.safetensors"
    train([pair], first, ensemble)
    fields = settings.model_dump(exclude={"model"}, exclude_none=True)
    fields["training"] |= {"epochs": 1, "learning_rate": 1e-12}
    fields["start"] = {"weights": str(first), "freeze": "all-but-head"}
    before = members_of(first)
    train([pair], tmp_path / "second.safetensors", TrainConfig.of(fields))
    for old, new in zip(before, members_of(tmp_path / "second.safetensors"), strict=True):
        assert all(torch.allclose(tensor, new[name]) for name, tensor in old.items())
    assert not equal(*before)
    single = TrainConfig.of({**fields, "model": {"ensemble": 1}})
    train([pair], tmp_path / "single.safetensors", single)
    alone = load_file(tmp_path / "single.safetensors")
    assert all(torch.allclose(tensor, alone[name]) for name, tensor in before[0].items())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "autoencoder"}, "`ensemble=3`.*not of autoencoders"),
        ({"model": {"architecture": "ensemble"}}, "`ensemble=3`.*not of ensembles"),
        ({"training": {"devices": 2}}, "on one device.*training.devices is 2"),
    ],
)
def test_ensembles_that_cannot_be_trained(fields, message):
    config = TrainConfig.of(fields).updated({"model.ensemble": 3})
    with pytest.raises(OptionError, match=message):
        resolve_defaults(config)


@pytest.mark.parametrize("count", [0, 65])
def test_their_number_has_limits(count):
    with pytest.raises(OptionError, match=f"model.ensemble = {count}"):
        TrainConfig().updated({"model.ensemble": count})


def test_an_ensemble_is_trained_on_one_device():
    config = resolve_defaults(TrainConfig.of({"model": {"ensemble": 2}}))
    assert config.training.devices == 1
    assert resolve_defaults(TrainConfig()).training.devices is None
