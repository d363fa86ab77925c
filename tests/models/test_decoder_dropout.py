"""Dropout in the decoder: an option that adds no weights, rests outside training, and lies behind the encoder."""

import pytest
import torch
from torch import nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import network_stride
from georaster_dl.models.registry import create_model
from georaster_dl.predict.engine.rewrite.fuse import record_fused
from georaster_dl.training.loop.transfer import freeze, set_training_mode

# Options without any other dropout.
NETWORKS = {
    "unet": {"encoder": "tu-test_resnet", "encoder_depth": 2, "decoder_channels": (6, 4)},
    "spectral_unet": {"mixed": 5, "widths": (4, 6, 8)},
    "plain_unet": {"widths": (4, 6, 8), "residual": True},
    "cnn1d": {},
    "pls_net": {},
    "spectratr": {"heads": 1, "key_dim": 4, "dropout": 0.0, "noise": 0.0},
    "spectralformer": {"dropout": 0.0},
    "ssftt": {"reduced": 4, "dropout": 0.0},
}
U_NETS = ("unet", "spectral_unet", "plain_unet")
DROPOUT = nn.Dropout | nn.Dropout2d

each = pytest.mark.parametrize("name", NETWORKS)


def made(name, **options):
    torch.manual_seed(0)
    return create_model(name, in_bands=3, n_classes=4, **NETWORKS[name], **options).eval()


def image(network, side=4):
    size = side * network_stride(network)
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))


def dropouts(network):
    return [module for module in network.modules() if isinstance(module, DROPOUT) and module.p]


@each
@torch.inference_mode()
def test_a_share_of_zero_adds_no_module_and_another_no_weights(name):
    plain, dropped = made(name), made(name, decoder_dropout=0.5)
    assert dropouts(plain) == []
    dropped.load_state_dict(plain.state_dict())  # strict: the names are the same
    assert torch.equal(plain(image(plain)), dropped(image(plain)))


@each
@torch.inference_mode()
def test_in_training_it_drops_planes_behind_the_encoder(name):
    network = made(name, decoder_dropout=0.5)
    modules = dropouts(network)
    assert len(modules) == (2 if name in U_NETS else 1)
    assert not set(modules) & set(network.encoder.modules())
    for module in modules:
        module.train()  # and nothing else
    seen = []
    for module in modules:
        module.register_forward_hook(lambda _m, given, output: seen.append((given[0], output)))
    first, second = network(image(network)), network(image(network))
    assert not torch.equal(first, second)
    assert all(given.ndim == 4 for given, _ in seen)
    if name in U_NETS:  # of whole channels; a channel whose values are 0 already says nothing
        for given, output in seen:
            kept = (output != 0).flatten(2).any(2)
            assert torch.equal(output, torch.where(kept[..., None, None], 2 * given, 0))


@pytest.mark.parametrize("name", U_NETS)
@torch.inference_mode()
def test_each_level_of_a_decoder_has_its_own(name):
    """Else all levels would lose the same channels in a pass."""
    assert len({id(module) for module in dropouts(made(name, decoder_dropout=0.1))}) == 2


@pytest.mark.parametrize("name", U_NETS)
def test_it_rests_in_frozen_layers(name):
    network = made(name, decoder_dropout=0.1)
    freeze(network, "all-but-head")
    set_training_mode(network)
    assert not any(module.training for module in dropouts(network))
    freeze(network, "encoder")
    set_training_mode(network)
    assert all(module.training for module in dropouts(network))


@pytest.mark.parametrize("name", U_NETS)
def test_the_rewritten_network_has_as_many_operations(name):
    programs = [
        record_fused(network, image(network), image(network, 6))
        for network in (made(name), made(name, decoder_dropout=0.1))
    ]
    assert None not in programs
    plain, dropped = ([str(step.op) for step in program.steps] for program in programs)
    assert len(plain) == len(dropped)


@each
@pytest.mark.parametrize("share", [1, -0.1, "0.1", True])
def test_other_than_a_share_is_refused(name, share):
    with pytest.raises(OptionError, match=f"decoder_dropout, but got {share!r}"):
        made(name, decoder_dropout=share)
