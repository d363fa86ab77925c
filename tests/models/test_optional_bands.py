"""A model of optional bands, narrowed: the same network, without the bands that are not there."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from georaster_dl.core.bands import Band, named_bands
from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.models.package.card import Architecture
from georaster_dl.models.package.file import load_model, network_of, read_card, save_model
from georaster_dl.models.package.values import InputBand
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.halo import probe_halo
from georaster_dl.models.runtime.optional_bands import (
    band_places,
    load_narrowed,
    missing_required_bands,
    narrowed_card,
    narrowed_model,
)
from tests.cards import card
from tests.networks import (
    S2_EXACT,
    S2_NAMES,
    S2_REQUIRED,
    optional_card,
    optional_network,
    save_optional,
)

CARD = optional_card()
NETWORK = optional_network(CARD)


def told(names, image):
    """Output of the full network, told of the bands; ``image`` has them in the card's order."""
    present = torch.tensor([[name in names for name in S2_NAMES]])
    whole = torch.zeros(1, len(S2_NAMES), *image.shape[2:])
    whole[:, present[0]] = image
    with torch.inference_mode():
        return NETWORK(whole, present)


@pytest.mark.slow
@given(names=st.sets(st.sampled_from(S2_NAMES), min_size=1))
@settings(max_examples=30)
def test_narrowed_equals_the_full_network_told_of_the_bands(names):
    _, network = narrowed_model(CARD, NETWORK, sorted(names))
    image = torch.randn(1, len(names), 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), told(names, image), rtol=1e-5, atol=1e-4)


def test_which_bands_are_there_matters():
    """Otherwise the test above would hold for a network that forgets the rest."""
    image = torch.zeros(1, 2, 16, 16)
    difference = told({"B03", "B04"}, image) - told({"B03", "B08"}, image)
    assert difference.abs().max() > 0.1


def test_the_card_keeps_its_order_and_all_but_the_bands():
    narrow = narrowed_card(CARD, ["B08", "B03", "B04"])
    assert [band.name for band in narrow.bands] == ["B03", "B04", "B08"]
    assert (narrow.required_bands, narrow.optional_bands) == ((), False)
    restored = narrow.model_copy(
        update={
            "bands": CARD.bands,
            "required_bands": S2_REQUIRED,
            "architecture": CARD.architecture,
        }
    )
    assert restored == CARD
    assert type(narrow).from_json(narrow.to_json()) == narrow


def test_a_file_comes_narrowed(tmp_path):
    path = save_optional(tmp_path / "m.safetensors")
    whole, full = load_model(path)
    assert whole.required_bands == S2_REQUIRED
    narrow, network = load_narrowed(path, ["B08", "B04", "B03"])
    assert narrow == narrowed_card(read_card(path), ["B03", "B04", "B08"])
    assert not network.training
    image = torch.randn(1, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), told({"B03", "B04", "B08"}, image))
        everything = torch.randn(1, 12, 16, 16)
        _, plain = load_narrowed(path, S2_NAMES)
        torch.testing.assert_close(plain(everything), full(everything))


def test_bands_that_cannot_be_left_out(tmp_path):
    plain = card()
    path = tmp_path / "m.safetensors"
    save_model(path, plain, network_of(plain))
    assert load_narrowed(path, ["B04", "B03", "B02"])[0] == read_card(path)
    with pytest.raises(OptionError, match=r"needs all of its bands, but B03 would be left out"):
        load_narrowed(path, ["B02", "B04"])
    with pytest.raises(OptionError, match=r"no band 'B99'; choose from B01, B02"):
        narrowed_card(CARD, ["B03", "B99"])
    with pytest.raises(OptionError, match="no band at all"):
        narrowed_card(CARD, [])


def test_needs():
    assert missing_required_bands(CARD, ["B03", "B8A"]) == [("B04",)]
    assert missing_required_bands(CARD, ["B03", "B04", "B08", "B12"]) == []
    assert missing_required_bands(card(), []) == []


def test_a_band_of_the_scene_serves_one_of_the_model():
    described = card(bands=("B08",)).model_copy(
        update={
            "bands": tuple(
                InputBand(name, nm, mean=0.2, std=0.1)
                for name, nm in (("near", 836.0), ("nearest", 834.0), ("far", 845.0))
            )
        }
    )
    assert band_places(described, [Band("x", 833.0)]) == {"nearest": 0}
    assert band_places(described, [Band("NEAR", 833.0)]) == {"near": 0}
    two = [Band("x", 846.0), Band("y", 833.0)]
    assert band_places(described, two) == {"nearest": 1, "far": 0}


def test_names_are_found_without_wavelengths():
    bands = (Band("b04"), Band("other"), *named_bands(["B03"]))
    assert band_places(CARD, bands) == {"B03": 2, "B04": 0}


# ---- the architecture


@pytest.mark.parametrize(
    "options",
    [
        {"widths": 5},
        {"widths": "wide"},
        {"widths": None},
        {"widths": []},
        {"widths": [0, 8]},
        {"widths": [8] * 11},
        {"mixed": None},
        {"mixed": 1.5},
        {"mixed": -4},
        {"mixed": True},
        {"optional_bands": "yes"},
        {"optional_bands": 1},
    ],
)
def test_hostile_options_are_refused(options):
    described = card().model_copy(
        update={"architecture": Architecture(name="spectral_unet", options=options)}
    )
    with pytest.raises(ModelPackageError, match="cannot be built"):
        network_of(described)


def test_a_network_larger_than_its_file_costs_no_memory(tmp_path, monkeypatch):
    path = save_optional(tmp_path / "m.safetensors")
    huge = b'\\"widths\\":[4096,4096,4096,4096,4096,4096,4096,4096,4096,4096]'
    content = path.read_bytes().replace(b'\\"widths\\":[4,6]', huge)
    length = int.from_bytes(content[:8], "little") + len(content) - path.stat().st_size
    path.write_bytes(length.to_bytes(8, "little") + content[8:])
    monkeypatch.setattr("safetensors.torch.load_file", lambda _: pytest.fail("weights were read"))
    with pytest.raises(ModelPackageError, match="not those of the architecture"):
        load_model(path)


def test_pretrained_weights_do_not_exist():
    with pytest.raises(LookupError, match="'spectral_unet' has no pretrained weights 'imagenet'"):
        create_model("spectral_unet", in_bands=3, n_classes=2, encoder_weights="imagenet")


@pytest.mark.slow
@pytest.mark.parametrize("optional", [False, True])
def test_its_halo_is_found(optional):
    options = {"mixed": 8, "widths": (4, 6), "optional_bands": optional}
    network = create_model("spectral_unet", in_bands=5, n_classes=3, **options)
    assert probe_halo(network, in_bands=5, stride=2).exact == S2_EXACT
