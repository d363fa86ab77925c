import json

import pytest
import torch
from torch import nn

from georaster_dl.models.exchange.check import check_model
from georaster_dl.models.exchange.onnx import export_stac
from georaster_dl.models.package.file import network_of, save_model
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.halo import probe_halo

from .conftest import opened


def _count(*modules):
    return sum(weight.numel() for module in modules for weight in module.parameters())


def test_sizes_of_the_published_networks():
    """The counts that Dechesne (2018) prints."""
    dense = create_model("dense_autoencoder", in_bands=784, n_classes=784, code=20)
    assert _count(dense) == 32_164
    assert _count(create_model("dense_classifier", in_bands=784, n_classes=10)) == 15_910
    convolutional = create_model("conv_autoencoder", in_bands=3, n_classes=12)
    assert _count(convolutional) == 569_296
    assert _count(convolutional.encoder, convolutional.decoder) == 567_124


def test_hidden_layers_are_mirrored():
    network = create_model("dense_autoencoder", in_bands=9, n_classes=9, code=2, hidden=(7, 5))
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert [layer.out_channels for layer in layers] == [7, 5, 2, 5, 7, 9]


def test_a_pixel_is_all_that_a_dense_network_sees():
    network = create_model("dense_autoencoder", in_bands=5, n_classes=5, hidden=(8,))
    image = torch.randn(1, 5, 4, 6)
    with torch.inference_mode():
        whole = network(image)
        alone = network(image[..., 2:3, 4:5])
    torch.testing.assert_close(whole[..., 2:3, 4:5], alone)


def test_bounded_output():
    image = 100 * torch.randn(1, 3, 8, 8)
    for bounded in (False, True):
        network = create_model("dense_autoencoder", in_bands=3, n_classes=3, bounded=bounded)
        with torch.inference_mode():
            planes = network(image)
        assert bool(((planes >= 0) & (planes <= 1)).all()) == bounded


def test_a_classifier_starts_from_an_autoencoder():
    autoencoder = create_model("dense_autoencoder", in_bands=6, n_classes=6, code=4, hidden=(5,))
    classifier = create_model("dense_classifier", in_bands=6, n_classes=3, code=4, hidden=(5,))
    assert type(classifier) is type(autoencoder)
    classifier.encoder.load_state_dict(autoencoder.encoder.state_dict())
    image = torch.randn(1, 6, 2, 2)
    assert torch.equal(classifier.encoder(image), autoencoder.encoder(image))


def test_features_may_be_negative():
    """They are those before the ReLU."""
    network = create_model("conv_autoencoder", in_bands=3, n_classes=12, width=8)
    seen = []
    layer = network.get_submodule(network.feature_layer)
    layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.inference_mode():
        logits = network(torch.randn(1, 3, 16, 16))
        expected = network.segmentation_head(seen[0].relu())
    assert seen[0].shape == (1, 20, 16, 16)
    assert (seen[0] < 0).any()
    assert torch.equal(logits, expected)


def test_doubling_is_that_of_keras():
    """A pixel (i, j) reaches rows 2i..2i+2 and cols 2j..2j+2; what lies beyond the end is cut."""
    network = create_model("conv_autoencoder", in_bands=1, n_classes=2, width=1, deconv_width=1)
    doubling = network.decoder[0][0]
    kernel = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    doubling.load_state_dict({"conv.weight": kernel, "conv.bias": torch.zeros(1)})
    for row, col in [(0, 0), (1, 2), (3, 3)]:
        image = torch.zeros(1, 1, 4, 4)
        image[..., row, col] = 1
        expected = torch.zeros(1, 1, 9, 9)
        expected[..., 2 * row : 2 * row + 3, 2 * col : 2 * col + 3] = kernel
        assert torch.equal(doubling(image), expected[..., :8, :8])


@pytest.mark.slow
def test_halo_of_the_published_network():
    network = create_model("conv_autoencoder", in_bands=3, n_classes=12)
    found = probe_halo(network, in_bands=3, stride=4)
    assert (found.left, found.right) == (found.top, found.bottom)
    assert found.exact == 28


@pytest.mark.parametrize("across", [False, True])
def test_tiles_of_the_published_network(across):
    """Tiles on the stride grid: a halo of 28 is exact, and 24 is not."""
    network = opened(create_model("conv_autoencoder", in_bands=3, n_classes=12).double().eval())
    strip = torch.rand(1, 3, 8, 128, dtype=torch.float64)

    def run(piece):
        with torch.inference_mode():
            return network(piece.mT).mT if across else network(piece)

    def difference(halo):
        tile = run(strip[..., 64 - halo : 72 + halo])
        return (tile[..., halo : halo + 8] - whole[..., 64:72]).abs().max().item()

    whole = run(strip)
    assert difference(28) < 1e-15
    assert difference(24) > 1e-9


@pytest.fixture
def package(tmp_path, make_card):
    """An autoencoder of three bands."""
    card = make_card(
        task="autoencoder",
        classes=[],
        architecture={"name": "dense-autoencoder", "options": {"code": 2}},
        stride=1,
        halo={"default": 0, "exact": 0},
    )
    path = tmp_path / "spectra.safetensors"
    save_model(path, card, network_of(card))
    return path


def test_check_of_an_autoencoder(package):
    lines = list(check_model(package))
    assert "the output is finite and has one plane for each of 3 bands" in lines


def test_stac_item_of_an_autoencoder(package, tmp_path):
    pytest.importorskip("jsonschema")
    out = tmp_path / "spectra.json"
    export_stac(package, out)
    item = json.loads(out.read_text())
    properties = item["properties"]
    assert properties["mlm:tasks"] == ["regression"]
    (result,) = properties["mlm:output"]
    assert result["result"]["shape"] == [-1, 3, -1, -1]
    assert result["result"]["dim_order"][1] == "channel"
    assert result["description"].endswith("value = output * stddev + mean")
    assert "classification:classes" not in result
    assert not any("classification" in extension for extension in item["stac_extensions"])
    assert "temperature" not in properties["mlm:hyperparameters"]
