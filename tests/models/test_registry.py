import pytest
import torch
from torch import nn

from georaster_dl.core.errors import OptionError, UnknownModelError
from georaster_dl.models.contract import network_stride
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, save_model
from georaster_dl.models.registry import (
    create_model,
    describe_model,
    list_models,
    register_model,
    takes_encoder,
)

from .conftest import CONVOLUTIONAL, SMALL_DPT, TRANSFORMER, card_fields


def _small(name):
    return (TRANSFORMER, SMALL_DPT) if name == "dpt" else (CONVOLUTIONAL, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in list_models() if takes_encoder(name)])
def test_every_architecture_with_an_encoder(name, tmp_path):
    """Shape, odd numbers of bands and classes, stride, and a round trip through a file."""
    encoder, options = _small(name)
    network = create_model(name, in_bands=7, n_classes=5, encoder=encoder, **options).eval()
    stride = network_stride(network)
    x = torch.randn(2, 7, 128, 160)
    with torch.inference_mode():
        logits = network(x)
    assert logits.shape == (2, 5, 128, 160)
    assert logits.isfinite().all()
    assert 128 % stride == 0
    fields = card_fields(
        architecture={
            "name": name,
            "encoder": encoder,
            "options": {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()},
        },
        bands=[{"name": f"B{i}", "mean": 0, "std": 1} for i in range(7)],
        classes=[{"value": i, "name": f"c{i}", "color": "#000000"} for i in range(5)],
        stride=stride,
        halo={"default": 4 * stride},
    )
    save_model(tmp_path / "a.safetensors", Card(**fields), network)
    _, loaded = load_model(tmp_path / "a.safetensors")
    with torch.inference_mode():
        assert torch.equal(loaded(x), logits)


@pytest.mark.parametrize("in_bands", [1, 2, 3, 13, 200])
def test_any_number_of_bands(in_bands):
    network = create_model("unet", in_bands=in_bands, n_classes=2, encoder=CONVOLUTIONAL).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, in_bands, 32, 64)).shape == (1, 2, 32, 64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "stride"),
    [
        ("unet", {}, 32),
        ("unet", {"encoder_depth": 3, "decoder_channels": (8, 8, 8)}, 8),
        ("linknet", {"encoder_depth": 4}, 16),
    ],
)
def test_stride_is_the_period_of_the_network(name, options, stride):
    """Moving the input by the stride moves the output; moving it by half the stride does not."""
    network = create_model(name, in_bands=1, n_classes=2, encoder=CONVOLUTIONAL, **options)
    network = network.double().eval()
    assert network_stride(network) == stride
    x = torch.zeros(1, 1, 32, 1024, dtype=torch.float64)
    x[..., 500:520] = torch.randn(20, dtype=torch.float64)

    def moved(by):
        with torch.inference_mode():
            difference = network(x).roll(by, -1) - network(x.roll(by, -1))
        return difference[..., 300:-300].abs().max().item()

    assert moved(stride) < 1e-12
    assert moved(stride // 2) > 1e-9


def test_stride_of_a_network_that_does_not_say():
    with pytest.raises(OptionError, match="attribute `stride`"):
        network_stride(nn.Conv2d(1, 1, 1))


def test_listing():
    assert list_models("deeplab*") == ["deeplabv3", "deeplabv3plus"]
    assert list_models("nothing*") == []
    for name in list_models():
        summary, options = describe_model(name)
        assert summary.endswith(".")
        if name != "ensemble":  # whose options are those of any member
            assert ("encoder_depth" in options) == takes_encoder(name)


def test_hyphens_are_as_good_as_underscores():
    assert (
        list_models("dense-*")
        == list_models("dense_*")
        == ["dense_autoencoder", "dense_classifier"]
    )
    assert describe_model("conv-autoencoder") == describe_model("conv_autoencoder")
    assert not takes_encoder("conv-autoencoder")
    network = create_model("dense-classifier", in_bands=4, n_classes=2, code=3)
    assert network(torch.zeros(1, 4, 1, 1)).shape == (1, 2, 1, 1)
    with pytest.raises(UnknownModelError, match=r"'plain-unit' \(did you mean 'plain_unet'"):
        create_model("plain-unit", in_bands=3, n_classes=2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "unett"}, UnknownModelError, "did you mean 'unet'"),
        ({"encoder": "resnet19"}, UnknownModelError, "did you mean 'resnet1"),
        ({"encoder": "tu-resnet18.x:y"}, UnknownModelError, "No encoder"),
        ({"encoder_weights": "imagenett"}, UnknownModelError, "it has imagenet"),
        ({"encoder": "tu-test_resnet", "encoder_weights": "x"}, None, None),
        ({"depth": 5}, OptionError, "no option 'depth'; it accepts decoder_attention_type, "),
        ({"name": "unetplusplus", "encoder": "mit_b0"}, OptionError, "cannot be built"),
        ({"in_bands": 0}, OptionError, "at least one band"),
    ],
)
def test_mistakes_are_explained(arguments, error, message, monkeypatch):
    given = {"name": "unet", "in_bands": 4, "n_classes": 2} | arguments
    if error is None:

        def offline(*_args, **_kwargs):
            raise ConnectionError("no route")

        monkeypatch.setattr("timm.create_model", offline)
        error, message = (
            UnknownModelError,
            r"could not be fetched \(no route\).*encoder_weights=None",
        )
    with pytest.raises(error, match=message):
        create_model(given.pop("name"), **given)


def test_weights_that_cannot_be_fetched(monkeypatch):
    def offline(*_args, **_kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", offline)
    with pytest.raises(UnknownModelError, match=r"imagenet.*could not be fetched.*HF_HOME"):
        create_model("unet", in_bands=4, n_classes=2, encoder_weights="imagenet")


def test_a_name_is_registered_once():
    with pytest.raises(OptionError, match="registered already"):

        @register_model(options={})
        def unet(plan):
            """Another one."""
