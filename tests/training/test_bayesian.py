"""Training of a Bayesian last layer: its loss, resuming, and starting from a plain one."""

import pytest
import torch
from safetensors.torch import load_file

from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.models.zoo.heads.bayesian import BayesianConv2d
from georaster_dl.testing import checkered
from georaster_dl.training.loop.learner import Learner
from georaster_dl.training.loop.losses import build_regression_loss
from georaster_dl.training.loop.objective import Quantity
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import resolve_defaults
from georaster_dl.training.train import train
from tests.training.test_train import StopError, stop_after

HEAD = "segmentation_head.0"


def learner_of(network, cells=1):
    return Learner(network, Quantity(build_regression_loss("mse")), TrainConfig(), cells=cells)


def test_the_divergence_is_shared_out_among_the_labelled_cells():
    layer = BayesianConv2d(2, 1, 1)
    unlabelled = torch.full((1, 4, 4), torch.nan)  # costs nothing
    loss = learner_of(layer, cells=10).loss_of(torch.randn(1, 2, 4, 4), unlabelled)
    torch.testing.assert_close(loss, layer.kl() / 10)


def test_its_weights_are_not_decayed_as_well():
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 1), BayesianConv2d(2, 1, 1))
    learner = learner_of(network)
    learner._config = TrainConfig.of({"training": {"schedule": "constant"}})
    learner._trainer = type("Trainer", (), {"precision": "32-true"})()
    groups = learner.configure_optimizers().param_groups
    decays = {len(group["params"]): group["weight_decay"] for group in groups}
    assert decays == {2: 1e-2, 4: 0.0}


def test_the_head_becomes_an_option_of_the_network():
    config = resolve_defaults(TrainConfig.of({"model": {"head": "bayesian"}}))
    assert config.model.options["head"] == "bayesian"
    assert config.model.options["encoder_depth"] == 3
    assert "head" not in resolve_defaults(TrainConfig()).model.options


@pytest.fixture
def bayesian(settings):
    return settings.updated({"model.head": "bayesian"})


@pytest.mark.slow
def test_a_resumed_run_equals_an_unbroken_one(pair, bayesian, tmp_path):
    train([pair], tmp_path / "whole.safetensors", bayesian)
    broken = tmp_path / "broken.safetensors"
    with pytest.raises(StopError):
        train([pair], broken, bayesian, report=stop_after(2))
    train([pair], broken, bayesian, resume=True)
    expected, found = load_file(tmp_path / "whole.safetensors"), load_file(broken)
    assert f"{HEAD}.weight_rho" in expected
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


@pytest.mark.slow
def test_it_learns_the_classes_and_its_deviations(pair, bayesian, tmp_path):
    settings = bayesian.updated({"training.epochs": 12, "patches.per_epoch": 32})
    trained = train([pair], tmp_path / "model.safetensors", settings)
    assert trained.card.metrics["mIoU, test"] > 0.8
    assert trained.card.architecture.options["head"] == "bayesian"
    card, network = load_model(tmp_path / "model.safetensors")
    (layer,) = (module for module in network.modules() if isinstance(module, BayesianConv2d))
    assert (layer.weight_rho > -5).float().mean() > 0.9  # the prior widens them
    assert card.outputs == layer.out_channels == len(set(checkered()[0].flat))


@pytest.mark.slow
@pytest.mark.parametrize("first_head", ["plain", "bayesian"])
def test_it_goes_on_from_a_package(pair, settings, tmp_path, first_head):
    """Of a plain head, its weights become the means."""
    first = tmp_path / "first.safetensors"
    train([pair], first, settings.updated({"training.epochs": 1, "model.head": first_head}))
    chosen = {
        **settings.model_dump(exclude={"model"}, exclude_none=True),
        "start": {"weights": str(first), "freeze": "all-but-head"},
        "model": {"head": "bayesian"},
    }
    settings = TrainConfig.of(chosen).updated(
        {"training.epochs": 1, "training.learning_rate": 1e-12}
    )
    train([pair], tmp_path / "second.safetensors", settings)
    before, after = load_file(first), load_file(tmp_path / "second.safetensors")
    assert all(torch.allclose(tensor, after[name]) for name, tensor in before.items())
    assert f"{HEAD}.weight_rho" in after


@pytest.mark.slow
def test_a_bayesian_head_is_taken_over_and_can_be_made_plain(pair, bayesian, settings, tmp_path):
    first = tmp_path / "first.safetensors"
    train([pair], first, bayesian.updated({"training.epochs": 1}))
    fields = settings.model_dump(exclude={"model"}, exclude_none=True)
    for head, expected in ((None, "bayesian"), ("plain", "plain")):
        start = TrainConfig.of({**fields, "start": {"weights": str(first)}, "model": {}})
        start = start.updated({"training.epochs": 1} | ({"model.head": head} if head else {}))
        train([pair], tmp_path / f"{expected}.safetensors", start)
        options = read_card(tmp_path / f"{expected}.safetensors").architecture.options
        assert options["head"] == expected
