"""The gate over modalities: weights, absent modalities, exact tiles."""

import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.halo import probe_halo, tiling_error

AERIAL = ("optical",) * 3 + ("infrared",) + ("lidar",)
PARTS = {"optical": [0, 1, 2], "infrared": [3], "lidar": [4]}


def made(modalities=AERIAL, widths=(6, 8), seed=0):
    """A network with statistics of its own, and weights that tell modalities apart."""
    torch.manual_seed(seed)
    network = create_model(
        "fusion_unet", in_bands=len(modalities), n_classes=4, modalities=modalities, widths=widths
    )
    with torch.no_grad():
        for stem in network.encoder.gate.stems.values():
            stem.tag.normal_()
        network.train()(torch.randn(2, len(modalities), 16, 16))
    return network.eval()


@pytest.fixture
def image():
    return torch.randn(2, 5, 16, 24, generator=torch.Generator().manual_seed(1))


def outputs(network, image, present=None):
    """Logits and weights of an image."""
    network.gives_weights = True
    with torch.inference_mode():
        both = network(image, present)
    network.gives_weights = False
    return both[:, :4], both[:, 4:]


def here(*names):
    return torch.tensor([[name in names for name in AERIAL]] * 2)


@pytest.mark.parametrize(
    ("bands", "width", "parameters"),
    [
        (("optical",) * 10 + ("radar",) * 2 + ("terrain",) * 3, 64, 125_328),
        (AERIAL, 32, 31_120),
    ],
    ids=["Sentinel and terrain", "aerial"],
)
def test_gate_and_stems_have_the_stated_number_of_parameters(bands, width, parameters):
    network = create_model(
        "fusion_unet", in_bands=len(bands), n_classes=4, modalities=bands, widths=(width, 8)
    )
    assert sum(p.numel() for p in network.encoder.gate.parameters()) == parameters


def test_weights_are_of_each_pixel_and_sum_to_one(image):
    _, weights = outputs(made(), image)
    assert weights.shape == (2, 3, 16, 24)
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 16, 24))
    assert weights.std((2, 3)).min() > 1e-3


def test_one_modality_is_the_plain_network_of_its_stem(image):
    network = made(("optical",) * 5)
    logits, weights = outputs(network, image)
    assert torch.equal(weights, torch.ones(2, 1, 16, 24))
    gate = network.encoder.gate
    with torch.inference_mode():
        features = gate.value(gate.stems["of_optical"].body(image))
        plain = network.segmentation_head(network.decoder(network.encoder.stages(features)))
    torch.testing.assert_close(logits, plain)


def test_the_order_of_modalities_does_not_matter(image):
    network = made()
    order = [4, 0, 3, 1, 2]
    turned = made(tuple(AERIAL[i] for i in order), seed=1)
    turned.load_state_dict(network.state_dict())
    logits, weights = outputs(turned, image[:, order])
    expected, before = outputs(network, image)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(weights, before[:, [2, 0, 1]])


@pytest.mark.parametrize("training", [False, True])
def test_values_of_an_absent_modality_never_arrive(image, training):
    network, present = made(), here("optical", "lidar")
    present[1] = True
    network.train(training)
    empty = image.clone()
    empty[0, 3] = torch.nan
    logits, weights = outputs(network, empty, present)
    assert logits.isfinite().all()
    assert (weights[0, 1] == 0).all()
    assert (weights[1, 1] > 0).all()
    empty[0, 3] = 7
    assert torch.equal(outputs(made().train(training), empty, present)[0], logits)


def test_an_absent_modality_does_not_move_the_statistics_of_its_stem(image):
    network = made().train()
    before = {k: v.clone() for k, v in network.encoder.gate.stems.state_dict().items()}
    network(image, here("optical", "lidar"))
    for name, tensor in network.encoder.gate.stems.state_dict().items():
        moved = not torch.equal(tensor, before[name])
        assert moved == ("running" in name or "batches" in name) * (
            ".of_infrared" not in f".{name}"
        )


@pytest.mark.parametrize("names", [("optical",), ("infrared", "lidar")])
def test_narrowed_equals_the_whole_network_without_the_absent(image, names):
    network = made()
    places = sorted(place for name in names for place in PARTS[name])
    narrow = made(tuple(AERIAL[place] for place in places), seed=1)
    narrow.load_state_dict(network.narrowed_weights(names))
    logits, weights = outputs(narrow, image[:, places])
    expected, masked = outputs(network, image, here(*names))
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(weights, masked[:, [list(PARTS).index(name) for name in names]])


def test_tiles_with_the_exact_halo_are_exact():
    network = made()
    network.gives_weights = True
    halo = probe_halo(network, in_bands=5, stride=2).exact
    assert halo == 10
    assert tiling_error(network, in_bands=5, stride=2, halo=halo) < 1e-9


def test_modalities_must_be_as_many_as_bands():
    with pytest.raises(OptionError, match="3 bands needs as many modalities, but got 2"):
        create_model("fusion_unet", in_bands=3, n_classes=2, modalities=["optical", "radar"])
