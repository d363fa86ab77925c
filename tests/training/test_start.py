"""Weights to start from: the choice of a bundled encoder, and public encoders by name."""

import importlib
import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from georaster_dl.core.bands import named_bands
from georaster_dl.core.errors import OptionError, UnknownModelError
from georaster_dl.models.registry import create_model
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.loop.transfer import adapt_first_conv, initialise_from_public
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import resolve_defaults
from georaster_dl.training.start import choice
from georaster_dl.training.start.choice import choose_start
from georaster_dl.training.start.public import (
    IMAGENET_BANDS,
    PublicWeights,
    encoder_of,
    is_package,
    is_public,
    load_public,
)
from tests.cards import card
from tests.networks import seeded

NAME = "torchgeo:ResNet18_Weights.SENTINEL2_ALL_MOCO"
OPTIONS = {"encoder_depth": 2, "decoder_channels": (8, 8)}


def auto(**fields):
    return TrainConfig.of({"start": {"weights": "auto"}, **fields})


def unet(in_bands, encoder="tu-test_resnet"):
    return create_model("unet", in_bands=in_bands, n_classes=2, encoder=encoder, **OPTIONS)


# ---- auto


@pytest.fixture
def bundled(monkeypatch):
    """A bundled encoder of B02, B03 and B04 alone."""
    architecture = {"name": "unet", "encoder": "tu-resnet18", "options": {}}
    described = card(task="autoencoder", classes=(), architecture=architecture)
    monkeypatch.setattr(choice, "_encoders", lambda: {"s2-encoder": described})
    return described


def chosen(scene, config=None, begun=None):
    return choose_start(config or auto(), [SceneWithLabels(str(scene), None)], begun)


def test_auto_takes_the_encoder_that_reads_the_bands(pair, bundled):
    config, line = chosen(pair.scene)
    assert config.start.weights == "s2-encoder"
    assert line == "starts from s2-encoder: it reads 3 of 3 bands"


def test_auto_says_why_it_takes_random_weights(pair, bundled, make_tif):
    numbers = np.ones((1, 32, 32), np.uint16)
    radar = make_tif(numbers, "r.tif", descriptions=("VV",), scales=(1e-4,), offsets=(0.0,))
    for scene, given, why in (
        (radar, auto(), "reads physical values"),
        (make_tif(numbers, "n.tif"), auto(), "no bundled encoder reads digital numbers"),
        (pair.scene, auto(model={"encoder": "resnet34"}), "no network of encoder resnet34"),
    ):
        config, line = chosen(scene, given)
        assert config.start.weights == "random"
        assert line.startswith("starts from random weights: ")
        assert why in line


def test_auto_says_that_no_encoder_is_bundled(pair, monkeypatch):
    monkeypatch.setattr(choice, "_encoders", dict)
    assert chosen(pair.scene)[1] == "starts from random weights: no encoder is bundled"


def test_what_is_stated_stays_and_a_resumed_run_keeps_its_choice(pair, bundled):
    assert chosen(pair.scene, TrainConfig()) == (TrainConfig(), "")
    begun = TrainConfig.of({"start": {"weights": "random"}})
    assert chosen(pair.scene, auto(), begun)[0].start.weights == "random"


# ---- public encoders


def test_names_say_where_weights_come_from():
    assert is_public(NAME)
    assert is_public("timm:resnet18.a1_in1k")
    assert not any(map(is_package, (NAME, "timm:x", "random", "imagenet", "auto")))
    assert is_package("s2-landcover")
    config = TrainConfig.of({"start": {"weights": "timm:resnet34.a1_in1k"}})
    assert resolve_defaults(config).model.encoder == "tu-resnet34"
    assert encoder_of("timm:hf-hub:user/repository") is None


@pytest.mark.parametrize("encoder", ["tu-test_resnet", "resnet18"])
def test_an_encoder_takes_weights_from_disk_with_its_bands(tmp_path, encoder):
    """The tensors of a whole model as timm names them, and those of torchvision's names."""
    import timm

    if encoder.startswith("tu-"):
        whole = timm.create_model("test_resnet", in_chans=13)
    else:
        whole = unet(13, encoder).encoder
    torch.save(seeded(whole).state_dict(), tmp_path / "weights.pth")
    state = torch.load(tmp_path / "weights.pth", weights_only=True)
    bands = named_bands(["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A"])
    source = named_bands([f"B{i:02d}" for i in range(1, 9)] + ["B8A", "B09", "B10", "B11", "B12"])
    network = unet(8, encoder)
    lines = initialise_from_public(network, bands, NAME, PublicWeights(state, source))
    first = next(key for key, tensor in state.items() if tensor.shape[1:2] == (13,))
    prefix = "encoder.model." if encoder.startswith("tu-") else "encoder."
    arrived = network.state_dict()
    torch.testing.assert_close(
        arrived[prefix + first], adapt_first_conv(state[first], source, bands)
    )
    taken = [key for key in state if key != first and prefix + key in arrived]
    assert all(torch.equal(arrived[prefix + key], state[key]) for key in taken)
    assert len(taken) > 5
    assert "8 of 8 bands found again" in lines[1]


def test_weights_of_another_encoder_are_refused():
    public = PublicWeights(dict(torch.nn.Conv2d(3, 4, 1).state_dict()), IMAGENET_BANDS)
    with pytest.raises(OptionError, match=r"Only 0 of the \d+ tensors of the encoder fit"):
        initialise_from_public(unet(3), named_bands(["B04"]), NAME, public)


@pytest.mark.usefixtures("hub")
def test_without_a_network_the_error_says_what_to_do():
    with pytest.raises(
        UnknownModelError, match=r"timm:test_resnet.r160_in1k could not be fetched.*HF_HOME"
    ):
        load_public("timm:test_resnet.r160_in1k")


def test_names_that_timm_does_not_know_are_refused_with_the_nearest():
    with pytest.raises(UnknownModelError, match="no pretrained model 'resnet118'.*resnet"):
        load_public("timm:resnet118")


def test_without_torchgeo_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchgeo", None)
    monkeypatch.setitem(sys.modules, "torchgeo.models", None)
    with pytest.raises(OptionError, match="needs the package torchgeo.*georaster_dl.torchgeo"):
        load_public(NAME)


# Where torchgeo is not installed: a module of its name, with weights of torchvision's kind, as its own are.
TORCHGEO = """
from torchvision.models import Weights, WeightsEnum

BANDS = [f"B{i}" for i in range(1, 9)] + ["B8A"] + [f"B{i}" for i in range(9, 13)]

class ResNet18_Weights(WeightsEnum):
    SENTINEL2_ALL_MOCO = Weights("", None, {"model": "resnet18", "in_chans": 13, "bands": BANDS})

def get_weight(name):
    for weights in ResNet18_Weights:
        if str(weights) == name:
            return weights
    raise ValueError(f"{name} is not a valid WeightsEnum")
"""


class TestTorchgeo:
    """The real package where it is installed, else one that its code imports in the same way."""

    @pytest.fixture(autouse=True)
    def models(self, tmp_path, monkeypatch) -> ModuleType:
        if importlib.util.find_spec("torchgeo") is None:
            package = tmp_path / "torchgeo/models"
            package.mkdir(parents=True)
            (package.parent / "__init__.py").touch()
            (package / "__init__.py").write_text(TORCHGEO)
            monkeypatch.syspath_prepend(tmp_path)
            for name in ("torchgeo", "torchgeo.models"):
                monkeypatch.delitem(sys.modules, name, raising=False)
                monkeypatch.setitem(sys.modules, name, importlib.import_module(name))
        return importlib.import_module("torchgeo.models")

    def test_weights_arrive_with_their_bands(self, models, tmp_path, monkeypatch):
        state = {"conv1.weight": torch.ones(64, 13, 7, 7)}
        torch.save(state, tmp_path / "weights.pth")
        entry = models.get_weight(NAME.removeprefix("torchgeo:"))
        monkeypatch.setattr(entry.value, "url", (tmp_path / "weights.pth").as_uri())
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
        public = load_public(NAME)
        assert torch.equal(public.state["conv1.weight"], state["conv1.weight"])
        assert [band.name for band in public.bands][7:10] == ["B08", "B8A", "B09"]
        assert encoder_of(NAME) == "tu-resnet18"

    def test_names_that_it_does_not_know_are_refused(self):
        with pytest.raises(UnknownModelError, match=r"no weights 'ResNet18_Weights.X'.*_MOCO"):
            load_public("torchgeo:ResNet18_Weights.X")
