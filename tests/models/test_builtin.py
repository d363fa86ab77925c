"""One battery for every architecture of our own, on small options."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from georaster_dl.core.errors import ModelPackageError, OptionError, UnknownModelError
from georaster_dl.models.contract import network_stride
from georaster_dl.models.exchange.check import check_model
from georaster_dl.models.exchange.onnx import export_onnx
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, network_of, save_model
from georaster_dl.models.registry import create_model, describe_model, list_models, takes_encoder
from georaster_dl.models.runtime.halo import probe_halo, tiling_error

from .conftest import card_fields, opened

TINY_UNET = {"widths": (4, 6)}

# Options, and the halo that is exact with them.
NETWORKS = {
    "spectral_unet": ({"mixed": 5, "widths": (4, 6)}, 8),
    "dense_autoencoder": ({"code": 3, "hidden": (6, 5)}, 0),
    "dense_classifier": ({"code": 3, "hidden": (6,)}, 0),
    "conv_autoencoder": ({"features": 3, "width": 4, "deconv_width": 6}, 28),
    "segnet": ({"widths": (4, 6), "depths": (1, 2)}, 16),
    "plain_unet": ({"widths": (4, 5, 6), "residual": True}, 24),
    "patch_cnn": ({"widths": (4, 5, 6, 7), "hidden": 8}, 32),
    "cnn1d": ({}, 0),
    "spectratr": ({"heads": 1, "key_dim": 4}, 0),
    "spectralformer": ({"group": 2}, 0),
    "ssftt": ({"reduced": 4}, 6),
    "band_attention": ({"width": 8, "heads": 2, "token": 2}, 0),
    "pls_net": ({}, 0),
    "fusion_unet": ({"widths": (4, 6)}, 10),
    "ensemble": ({"member": "band_attention", "members": 2, "width": 8, "token": 2}, 0),
}
GLOBAL = {
    "instance": {**TINY_UNET, "norm": "instance"},
    "group": {**TINY_UNET, "norm": "group"},
    "layer": {**TINY_UNET, "norm": "layer"},
    "sigmoid gate": {**TINY_UNET, "gate": "sigmoid"},
    "softmax gate": {**TINY_UNET, "gate": "softmax"},
}

each = pytest.mark.parametrize("name", NETWORKS)


def _made(name, in_bands=3, n_classes=4):
    return create_model(name, in_bands=in_bands, n_classes=n_classes, **NETWORKS[name][0]).eval()


def _card(name, options, stride, **changes):
    options = {key: list(v) if isinstance(v, tuple) else v for key, v in options.items()}
    architecture = {"name": name, "options": options}
    given = {"architecture": architecture, "stride": stride, "halo": {"default": 4 * stride}}
    return Card(**card_fields(**given | changes))


@pytest.fixture
def saved(tmp_path):
    """Save a network of our own with a card; the file and the network."""

    def save(name, **changes):
        options, exact = NETWORKS[name]
        halo = {"default": exact, "exact": exact}
        card = _card(name, options, network_stride(_made(name)), halo=halo, **changes)
        network = network_of(card).eval()
        save_model(tmp_path / "own.safetensors", card, network)
        return tmp_path / "own.safetensors", network

    return save


def test_the_battery_is_complete():
    assert set(NETWORKS) == {name for name in list_models() if not takes_encoder(name)}
    for name in NETWORKS:
        assert set(NETWORKS[name][0]) <= set(describe_model(name)[1])


@each
@pytest.mark.parametrize("in_bands", [1, 3, 200])
def test_shapes(name, in_bands):
    """Any number of bands, any multiples of the stride, down to one; odd ones where that is 1."""
    network = _made(name, in_bands)
    stride = network_stride(network)
    for rows, cols in [(1, 1), (1, 3), (5, 2)]:
        image = torch.randn(2, in_bands, rows * stride, cols * stride)
        with torch.inference_mode():
            planes = network(image)
        assert planes.shape == (2, 4, rows * stride, cols * stride)
        assert planes.isfinite().all()


@each
def test_parts(name):
    """What training freezes, exchanges and looks at is there under the names it goes by."""
    network = _made(name)
    named = {part for part, _ in network.named_children()}
    assert named == {"encoder", "decoder", "segmentation_head"}
    seen = []
    layer = network.get_submodule(getattr(network, "feature_layer", "decoder"))
    layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    side = 4 * network_stride(network)
    with torch.inference_mode():
        network(torch.randn(1, 3, side, side))
    ((_, features, rows, cols),) = (output.shape for output in seen)
    assert (rows, cols) == (side, side)
    assert features >= 3


@each
def test_round_trip(name, saved):
    path, network = saved(name)
    _, loaded = load_model(path)
    image = torch.randn(1, 3, 16, 32)
    with torch.inference_mode():
        assert torch.equal(loaded(image), network(image))


@pytest.mark.slow
@each
def test_checks_pass(name, saved):
    exact = NETWORKS[name][1]
    assert f"tiles with the exact halo of {exact} give" in list(check_model(saved(name)[0]))[-1]


@pytest.mark.slow
@each
def test_exact_halo(name, monkeypatch):
    monkeypatch.setattr(
        "georaster_dl.models.runtime.halo._SHORTEST", 32
    )  # longer where that is too short
    exact = NETWORKS[name][1]
    network = _made(name)
    stride = network_stride(network)
    assert probe_halo(network, in_bands=3, stride=stride).exact == exact
    network = opened(network)
    assert tiling_error(network, in_bands=3, stride=stride, halo=exact) < 1e-12
    if exact:
        nearer = tiling_error(network, in_bands=3, stride=stride, halo=exact - stride)
        assert nearer > 1e-9


@pytest.mark.parametrize("options", GLOBAL.values(), ids=GLOBAL)
def test_statistics_of_the_input_have_no_exact_halo(options):
    network = create_model("plain_unet", in_bands=2, n_classes=3, **options).eval()
    assert probe_halo(network, in_bands=2, stride=2, longest=512).exact is None
    with torch.inference_mode():  # also where the coarsest level is a single pixel
        assert network(torch.randn(1, 2, 2, 2)).isfinite().all()


@pytest.mark.slow
@each
def test_onnx(name, saved, tmp_path):
    pytest.importorskip("onnxscript")
    assert export_onnx(saved(name)[0], tmp_path / "own.onnx", tile=32) < 1e-4


@pytest.mark.slow
def test_onnx_of_gates_and_norms(tmp_path):
    pytest.importorskip("onnxscript")
    options = {**TINY_UNET, "gate": "softmax", "norm": "group", "residual": True}
    card = _card("plain_unet", options, 2)
    path = tmp_path / "gated.safetensors"
    save_model(path, card, network_of(card))
    assert export_onnx(path, tmp_path / "gated.onnx", tile=32) < 1e-4


@pytest.mark.slow
def test_onnx_of_an_autoencoder_gives_the_bands(saved, tmp_path):
    """From raw numbers to physical values, by the network and the card alone."""
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    path, network = saved("dense_autoencoder", task="autoencoder", classes=[])
    out = tmp_path / "own.onnx"
    assert export_onnx(path, out, tile=16, scale=1e-4, offset=-0.1) < 1e-4
    numbers = np.random.default_rng(0).integers(1000, 6000, (1, 3, 16, 16))
    session = onnxruntime.InferenceSession(out)
    (given,), (values,) = session.get_inputs(), session.get_outputs()
    assert values.name == "values"
    got = session.run(None, {given.name: (numbers / 255).astype(np.float32)})[0]
    mean, std = np.array([0.1, 0.2, 0.3])[:, None, None], 0.05
    with torch.inference_mode():
        scaled = torch.from_numpy((numbers * 1e-4 - 0.1 - mean) / std).float()
        np.testing.assert_allclose(got, network(scaled).numpy() * std + mean, atol=1e-5)
    task = session.get_modelmeta().custom_metadata_map
    assert task["model_type"] == '"Regressor"'
    assert task["class_names"] == '{"0": "B1", "1": "B2", "2": "B3"}'


WRONG = [
    ("dense_autoencoder", {"code": 0}, "a whole number from 1 to 4096 as code, but got 0"),
    ("dense_autoencoder", {"code": True}, "as code, but got True"),
    ("dense_autoencoder", {"bounded": 1}, "true or false as bounded, but got 1"),
    ("dense_classifier", {"hidden": [-3]}, "0 to 10 whole numbers from 1 to 4096 as hidden"),
    ("dense_classifier", {"hidden": [1] * 11}, "0 to 10 whole numbers"),
    ("conv_autoencoder", {"features": 2.5}, "as features, but got 2.5"),
    ("conv_autoencoder", {"width": None}, "as width, but got None"),
    ("segnet", {"widths": []}, "1 to 10 whole numbers from 1 to 4096 as widths"),
    ("segnet", {"depths": [2, 2]}, "one number of convolutions for each width"),
    ("segnet", {"depths": [0, 1, 1, 1]}, "as depths"),
    ("plain_unet", {"gate": "tanh"}, "none or sigmoid or softmax as gate, but got 'tanh'"),
    ("plain_unet", {"norm": None}, "batch or none or instance or group or layer as norm"),
    ("patch_cnn", {"widths": [8, 8, 8]}, "needs 4 widths, but got widths=\\(8, 8, 8\\)"),
    ("patch_cnn", {"widths": 8}, "as widths, but got 8"),
    ("spectratr", {"dropout": 0.95}, "a number from 0 to 0.9 as dropout, but got 0.95"),
    ("spectratr", {"noise": True}, "as noise, but got True"),
    ("spectratr", {"noise": -0.1}, "as noise, but got -0.1"),
    ("spectratr", {"pooled": 0}, "true or false as pooled"),
    ("spectralformer", {"patch": 4}, "a pixel in the middle of its patch, but got patch=4"),
    ("spectralformer", {"group": 0}, "as group, but got 0"),
    ("ssftt", {"reduced": 2}, "at least 3, but got reduced=2"),
    ("band_attention", {"width": 10}, "its heads can share, but got width=10 and heads=4"),
    ("band_attention", {"token": 2.0}, "as token, but got 2.0"),
    ("spectral_unet", {"mixed": 0}, "as mixed, but got 0"),
    ("spectral_unet", {"optional_bands": "yes"}, "true or false as optional_bands"),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG)
def test_a_strangers_options_are_refused(name, options, message):
    with pytest.raises(ModelPackageError, match=message) as caught:
        network_of(_card(name, options, 16))
    assert isinstance(caught.value.__cause__, OptionError)


@each
def test_no_pretrained_weights(name):
    with pytest.raises(UnknownModelError, match=f"'{name}' has no pretrained weights 'imagenet'"):
        create_model(name, in_bands=3, n_classes=2, encoder_weights="imagenet")


@pytest.mark.slow
@each
def test_building_and_running_is_silent(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = _made(name).train()
        side = 4 * network_stride(network)
        network(torch.randn(2, 3, side, side)).square().mean().backward()
    assert all(weight.grad is not None for weight in network.parameters())


_FIRST_MODEL = """
import importlib.abc, sys, torch
from georaster_dl.models.package.file import find_model, load_model

class Recorder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "segmentation_models_pytorch":
            print(torch.get_default_device())

sys.meta_path.insert(0, Recorder())
load_model(find_model("landcover-sample"))
"""


@pytest.mark.slow
def test_libraries_are_not_imported_on_the_meta_device():
    """torch 2.6 fails there, and tensors that a module makes for itself would stay without values."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FIRST_MODEL],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "cpu\n"
