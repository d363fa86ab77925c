"""What is taken from other networks, and what stays frozen to the last bit."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from georaster_dl.core.bands import Band, named_bands
from georaster_dl.core.errors import OptionError, UnknownModelError
from georaster_dl.core.wording import counted
from georaster_dl.models.package.card import Architecture
from georaster_dl.models.package.file import save_model
from georaster_dl.models.registry import create_model
from georaster_dl.training.loop.transfer import (
    adapt_first_conv,
    freeze,
    initialise_from_imagenet,
    initialise_from_package,
    set_training_mode,
    stages,
    unfreeze_for_epoch,
)
from georaster_dl.training.start.public import IMAGENET_BANDS
from tests.cards import card
from tests.networks import S2_NAMES, optional_card, optional_network, save_optional, seeded

OPTIONS = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}
RGB = named_bands(["B04", "B03", "B02"])


def unet(in_bands=3, n_classes=4, encoder="tu-test_resnet", **options):
    return create_model(
        "unet", in_bands=in_bands, n_classes=n_classes, encoder=encoder, **(OPTIONS | options)
    )


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def kernels(n):
    return torch.randn((6, n, 3, 3), generator=torch.Generator().manual_seed(1))


# ---- the first convolution


def test_the_same_bands_keep_their_kernels_to_the_bit():
    assert torch.equal(adapt_first_conv(kernels(3), RGB, RGB), kernels(3))


def test_bands_in_another_order_take_their_kernels_along():
    adapted = adapt_first_conv(kernels(3), IMAGENET_BANDS, named_bands(["B02", "B03", "B04"]))
    assert torch.equal(adapted, kernels(3).flip(1))


def test_new_bands_take_the_nearest_kernel_or_the_mean():
    target = (*named_bands(["B04", "B08", "B11"]), Band("VV"))
    adapted = adapt_first_conv(kernels(3), IMAGENET_BANDS, target)
    red, mean = kernels(3)[:, 0], kernels(3).mean(1)
    torch.testing.assert_close(adapted, torch.stack([red, red, mean, mean], 1) * 3 / 4)


def test_bands_without_wavelength_match_by_name_only():
    source = (Band("VV"), Band("VH"), Band("height"))
    adapted = adapt_first_conv(kernels(3), source, (Band("vh"), Band("B04", 665.0)))
    expected = torch.stack([kernels(3)[:, 1], kernels(3).mean(1)], 1) * 1.5
    torch.testing.assert_close(adapted, expected)


@pytest.mark.parametrize("n", [1, 3, 12])
def test_the_response_to_bands_that_are_all_new_keeps_its_magnitude(n):
    """Where all planes show the same thing, it is exactly what it was."""
    adapted = adapt_first_conv(kernels(3), RGB, [Band(f"x{i}") for i in range(n)])
    torch.testing.assert_close(adapted.sum(1), kernels(3).sum(1))


# ---- from a package


@pytest.fixture
def package(tmp_path):
    """A saved model of B02 B03 B04 and the classes ``class 0`` .. ``class 3``, and its network."""
    network = seeded(unet())
    described = card(exact=48).model_copy(
        update={
            "architecture": Architecture(
                name="unet", encoder="tu-test_resnet", options=dict(OPTIONS)
            )
        }
    )
    path = tmp_path / "model.safetensors"
    save_model(path, described, network)
    return path, described, network


def test_the_same_bands_and_classes_give_the_same_output(package):
    path, described, source = package
    network = unet()
    lines = initialise_from_package(network, described.bands, described.legend.names, path)
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(network.eval()(x), source(x))
    total = len(network.state_dict())
    assert lines[0].startswith(f"from test-model 1: {total - 2} of {total} tensors")
    assert lines[-1] == "classes taken: class 0, class 1, class 2, class 3"


def test_bands_and_classes_in_another_order_give_the_same_output(package):
    path, described, source = package
    network = unet(n_classes=3)
    names = ["Class 2", "new", "class 0"]
    lines = initialise_from_package(network, described.bands[::-1], names, path)
    x = torch.randn(2, 3, 32, 32).double()
    network.eval().double()
    source.double()
    torch.testing.assert_close(network(x)[:, [0, 2]], source(x.flip(1))[:, [2, 0]])
    assert lines[-2:] == ["classes taken: Class 2, class 0", "classes from random weights: new"]


def test_more_bands_and_only_new_classes(package):
    path, described, source = package
    network = unet(in_bands=5, n_classes=2)
    before = state(network.segmentation_head)
    bands = named_bands(["B02", "B03", "B04", "B08", "B11"])
    lines = initialise_from_package(network, bands, ["a", "b"], path)
    assert equal(state(network.segmentation_head), before)
    assert equal(state(network.decoder), state(source.decoder))
    first = next(m for m in network.encoder.modules() if isinstance(m, nn.Conv2d))
    theirs = next(m for m in source.encoder.modules() if isinstance(m, nn.Conv2d))
    expected = adapt_first_conv(theirs.weight, described.bands, bands)
    assert torch.equal(first.weight, expected)
    assert lines[1] == (
        "first convolution: 3 of 5 bands found again, B08 (833 nm) from B04 (665 nm), "
        "B11 (1614 nm) from the mean of all"
    )
    assert lines[2:] == ["classes from random weights: a, b"]


def test_another_decoder_is_left_out_of_what_is_taken(package):
    path, described, source = package
    network = unet(decoder_channels=[16, 8, 4])
    head = state(network.segmentation_head)
    lines = initialise_from_package(network, described.bands, described.legend.names, path)
    assert equal(state(network.encoder), state(source.encoder))
    assert equal(state(network.segmentation_head), head)
    assert lines[-1].startswith("classes from random weights: class 0")


def test_another_encoder_or_architecture_is_refused(package):
    path, described, _ = package
    network = create_model("linknet", in_bands=3, n_classes=4, encoder="tu-test_resnet")
    before = state(network)
    with pytest.raises(OptionError, match=r"'unet'.*'tu-test_resnet'.*link-tu-test_resnet"):
        initialise_from_package(network, described.bands, described.legend.names, path)
    assert equal(state(network), before)


def test_an_encoder_that_hardly_fits_is_refused(package):
    path, described, _ = package
    network = unet()
    network.encoder.more = nn.ModuleList(nn.Linear(1, 1) for _ in range(60))
    before = state(network)
    with pytest.raises(OptionError, match=r"Only \d+ of the \d+ tensors of the encoder"):
        initialise_from_package(network, described.bands, described.legend.names, path)
    assert equal(state(network), before)


# ---- from a package of optional bands


@pytest.fixture
def optional(tmp_path):
    """Its path, and a function that tells the full network the bands of an image."""
    path = save_optional(tmp_path / "optional.safetensors")
    full = optional_network(optional_card())

    def told(names, image):
        whole = torch.zeros(len(image), len(S2_NAMES), *image.shape[2:])
        present = torch.zeros(len(image), len(S2_NAMES), dtype=torch.bool)
        places = [S2_NAMES.index(name) for name in names]
        whole[:, places], present[:, places] = image, True
        return full(whole, present)

    return path, told


def spectral(in_bands, n_classes=4):
    options = {"mixed": 8, "widths": (4, 6)}
    return create_model("spectral_unet", in_bands=in_bands, n_classes=n_classes, **options)


@pytest.mark.parametrize("names", [("B08", "B03", "B04"), ("B12",), S2_NAMES])
def test_it_is_narrowed_to_the_bands_that_both_read(optional, names):
    """Also to bands that would not do for a map: training may make them do."""
    path, told = optional
    network = spectral(len(names))
    taught = optional_card().legend.names
    lines = initialise_from_package(network, named_bands(names), taught, path)
    image = torch.randn(2, len(names), 16, 16)
    with torch.no_grad():
        got, expected = network.eval()(image), told(names, image)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert f"{len(names)} of {counted(len(names), 'band')} found again" in lines[1]


def test_bands_that_it_has_not_are_adapted(optional):
    path, _ = optional
    network = spectral(4)
    bands = (*named_bands(["B03", "B04"]), Band("VV"), *named_bands(["B08"]))
    lines = initialise_from_package(network, bands, ["a"] * 4, path)
    assert lines[1] == "first convolution: 3 of 4 bands found again, VV from the mean of all"
    three = spectral(3)
    initialise_from_package(three, named_bands(["B03", "B04", "B08"]), ["a"] * 4, path)
    weight = three.encoder.mix.weight
    expected = torch.stack([weight[:, 0], weight[:, 1], weight.mean(1), weight[:, 2]], 1) * 3 / 4
    torch.testing.assert_close(network.encoder.mix.weight, expected)


def test_no_band_in_common_starts_from_the_mean_of_all(optional):
    path, _ = optional
    network = spectral(2)
    lines = initialise_from_package(network, (Band("VV"), Band("VH")), ["a"] * 4, path)
    assert "VV from the mean of all, VH from the mean of all" in lines[1]
    assert torch.equal(network.encoder.mix.weight[:, 0], network.encoder.mix.weight[:, 1])


# ---- from ImageNet: the true path of the library below, with a cache that stands in for the hub


@pytest.mark.parametrize("encoder", ["resnet18", "tu-test_resnet.r160_in1k"])
@pytest.mark.usefixtures("hub")
def test_without_network_the_error_says_what_to_do(encoder):
    with pytest.raises(
        UnknownModelError, match=rf"'{encoder}' could not be fetched.*HF_HOME.*encoder_weights=None"
    ):
        initialise_from_imagenet(unet(encoder="resnet18"), "unet", encoder, RGB, OPTIONS)


def test_weights_of_the_librarys_own_encoder_arrive(hub):
    from segmentation_models_pytorch.encoders import encoders

    settings = encoders["resnet18"]["pretrained_settings"]["imagenet"]
    trained = seeded(unet(encoder="resnet18").encoder, seed=5)
    hub(settings["repo_id"], state(trained), settings["revision"])
    bands = named_bands(["B02", "B03", "B04", "B08"])
    torch.manual_seed(2)
    network = unet(in_bands=4, encoder="resnet18")
    initialise_from_imagenet(network, "unet", "resnet18", bands, OPTIONS)
    expected = state(trained)
    expected["conv1.weight"] = adapt_first_conv(trained.conv1.weight, IMAGENET_BANDS, bands)
    assert equal(state(network.encoder), expected)
    torch.manual_seed(2)
    plain = unet(in_bands=4, encoder="resnet18")
    assert equal(state(network.decoder), state(plain.decoder))


def test_weights_of_timms_encoder_arrive(hub):
    import timm

    classifier = seeded(timm.create_model("test_resnet"), seed=5)
    hub("timm/test_resnet.r160_in1k", state(classifier))
    blue_first = named_bands(["B02", "B03", "B04"])
    network = unet()
    initialise_from_imagenet(network, "unet", "tu-test_resnet", blue_first, OPTIONS)
    arrived = state(network.encoder.model)
    trained = state(classifier)
    first = arrived.pop("conv1.0.weight")
    assert torch.equal(first, trained["conv1.0.weight"].flip(1))
    assert all(torch.equal(tensor, trained[name]) for name, tensor in arrived.items())


# ---- freezing


def trained_step(network):
    """One step of an optimiser that would move whatever it may."""
    set_training_mode(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)
    network(torch.randn(2, 3, 32, 32)).square().mean().backward()
    optimiser.step()


@pytest.mark.parametrize(
    ("what", "frozen"),
    [("none", set()), ("encoder", {"encoder"}), ("all-but-head", {"encoder", "decoder"})],
)
def test_frozen_parts_stay_to_the_bit_and_all_others_move(what, frozen):
    network = seeded(unet())
    freeze(network, what)
    before = state(network)
    trained_step(network)
    for name, tensor in network.state_dict().items():
        moved = not torch.equal(tensor, before[name])
        assert moved == (name.split(".")[0] not in frozen), name


def test_freezing_is_undone_by_freezing_less():
    network = unet()
    freeze(network, "all-but-head")
    freeze(network, "encoder")
    assert all(weight.requires_grad for weight in network.decoder.parameters())
    freeze(network, "none")
    assert all(weight.requires_grad for weight in network.parameters())


def test_dropout_rests_only_inside_frozen_parts():
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout()),
        nn.Dropout(),
        nn.BatchNorm2d(3, affine=False),
    )
    network[0].requires_grad_(False)
    network.append(nn.Conv2d(3, 3, 1))
    set_training_mode(network)
    assert [m.training for m in network] == [False, True, True, True]
    assert not network[0][1].training


# ---- letting go


@pytest.mark.parametrize(
    ("encoder", "depth", "first", "last"),
    [
        ("resnet18", 5, ["layer4"], ["conv1", "bn1"]),
        ("resnet18", 3, ["layer2"], ["conv1", "bn1"]),
        ("tu-resnet18", 4, ["model.layer3"], ["model.conv1", "model.bn1"]),
        ("tu-efficientnet_b0", 5, ["model.blocks.6"], ["model.conv_stem", "model.bn1"]),
        ("mobilenet_v2", 5, ["features.18"], ["features.0"]),
        ("tu-convnext_atto", 5, ["model.stages_3"], ["model.stem_0", "model.stem_1"]),
        ("mit_b0", 5, ["block4", "norm4"], ["patch_embed1"]),
    ],
)
def test_stages_go_from_deep_to_shallow_without_overlap(encoder, depth, first, last):
    network = unet(encoder=encoder, encoder_depth=depth, decoder_channels=[8] * depth)
    before = state(network)
    modules = {id(module): name for name, module in network.encoder.named_modules()}
    named = [[modules[id(part)] for part in stage] for stage in stages(network)]
    assert (named[0], named[-1]) == (first, last)
    weights = [id(weight) for stage in stages(network) for weight in stage.parameters()]
    assert len(set(weights)) == len(weights)
    if depth == 5:
        assert set(weights) == {id(weight) for weight in network.encoder.parameters()}
    assert equal(state(network), before)


@pytest.mark.parametrize("presence", [False, True])
def test_stages_of_the_network_of_our_own(presence):
    network = create_model("spectral_unet", in_bands=3, n_classes=2, optional_bands=presence)
    modules = {id(module): name for name, module in network.encoder.named_modules()}
    named = [modules[id(part)] for stage in stages(network) for part in stage]
    stem = ["spectrum", *(["presence"] if presence else []), "mix"]
    assert named == ["stages.3", "stages.2", "stages.1", "stages.0", *stem]
    unfreeze_for_epoch(network, "all-but-head", 2, 1)
    assert not network.encoder.stages[2][0].weight.requires_grad
    assert network.encoder.stages[3][0].weight.requires_grad


def thawed(network):
    return {
        ".".join(name.split(".")[:3]) if name.startswith("encoder") else name.split(".")[0]
        for name, weight in network.named_parameters()
        if weight.requires_grad
    }


STEPS = [
    {"encoder.model.layer2"},
    {"encoder.model.layer1"},
    {"encoder.model.conv1", "encoder.model.bn1"},
]


@pytest.mark.parametrize(
    ("what", "first", "steps"),
    [
        ("encoder", {"decoder", "segmentation_head"}, STEPS),
        ("all-but-head", {"segmentation_head"}, [{"decoder"}, *STEPS]),
        ("none", {"decoder", "segmentation_head"}.union(*STEPS), []),
    ],
)
def test_one_more_stage_after_each_so_many_epochs(what, first, steps):
    network = unet()
    for epoch in np.random.default_rng(0).permutation(12):  # any order: as after resuming
        unfreeze_for_epoch(network, what, int(epoch), 2)
        assert thawed(network) == first.union(*steps[: epoch // 2]), epoch


def test_without_steps_the_frozen_stay_frozen():
    network = unet()
    unfreeze_for_epoch(network, "encoder", 1000, 0)
    assert thawed(network) == {"decoder", "segmentation_head"}


def test_weights_outside_every_stage_are_let_go_at_the_end():
    network = create_model(
        "dpt",
        in_bands=3,
        n_classes=2,
        encoder="tu-test_vit",
        encoder_depth=2,
        decoder_intermediate_channels=(16, 16),
        decoder_fusion_channels=16,
    )
    unfreeze_for_epoch(network, "encoder", 6, 1)
    assert not network.encoder.model.pos_embed.requires_grad
    unfreeze_for_epoch(network, "encoder", 7, 1)
    assert all(weight.requires_grad for weight in network.parameters())


def test_a_stage_let_go_trains_while_the_deeper_rest():
    network = seeded(unet())
    unfreeze_for_epoch(network, "encoder", 1, 1)
    before = state(network.encoder)
    trained_step(copy.deepcopy(network))
    assert equal(state(network.encoder), before)
    trained_step(network)
    for name, tensor in network.encoder.state_dict().items():
        assert torch.equal(tensor, before[name]) == (not name.startswith("model.layer2")), name
