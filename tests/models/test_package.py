import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from georaster_dl.core.errors import ModelPackageError, OutputError, UnknownModelError
from georaster_dl.models.package import file as package
from georaster_dl.models.package.card import FORMAT
from georaster_dl.models.package.file import (
    CARD_KEY,
    builtin_models,
    find_model,
    load_model,
    network_of,
    read_card,
    save_model,
    weights_digest,
)


@pytest.fixture
def saved(tmp_path, make_card):
    """A saved model: its path, card and network."""
    card = make_card()
    network = network_of(card).eval()
    path = tmp_path / "toy.safetensors"
    return path, save_model(path, card, network), network


def _rewritten(path, *, header=None, **card_changes):
    """Change the header of a model file, or its card, by hand."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    head = json.loads(content[8 : 8 + length])
    card = json.loads(head["__metadata__"][CARD_KEY]) | card_changes
    head["__metadata__"][CARD_KEY] = json.dumps(card)
    text = json.dumps(head | (header or {})).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    return path


def test_round_trip_gives_identical_logits_and_card(saved):
    path, card, network = saved
    loaded_card, loaded = load_model(path)
    assert loaded_card == card == read_card(path)
    assert not loaded.training
    x = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(loaded(x), network(x))


def test_saving_is_reproducible_and_leaves_nothing_behind(saved, tmp_path):
    path, card, network = saved
    first = path.read_bytes()
    save_model(path, card, network)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


def test_half_the_size_and_still_float32_when_loaded(saved, tmp_path):
    path, card, network = saved
    small = tmp_path / "half.safetensors"
    save_model(small, card, network, half=True)
    assert small.stat().st_size < 0.55 * path.stat().st_size
    _, loaded = load_model(small)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x), network(x), atol=0.02, rtol=0.02)


def test_loading_leaves_the_random_generator_alone(saved):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    load_model(saved[0])
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 0.5, -1])
def test_truncated_file(saved, kept):
    path = saved[0]
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(ModelPackageError, match=r"cut short|not a model package"):
        read_card(path)


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 a pickle in a zip, as torch.save writes it",
        b"\x80\x02 a pickle",
        b"II*\x00 a TIFF",
        (2**40).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (5).to_bytes(8, "little") + b"{oops",
        (14).to_bytes(8, "little") + b'{"a": {"b":1}}',
        (2).to_bytes(8, "little") + b"{\xff",
    ],
)
def test_foreign_file(tmp_path, content):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelPackageError, match="not a model package"):
        read_card(path)


def test_weights_without_a_card(tmp_path):
    path = tmp_path / "bare.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ModelPackageError, match="no model card"):
        load_model(path)


def test_absent_file_and_folder(tmp_path):
    for path in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(ModelPackageError, match="cannot be read"):
            read_card(path)


def test_newer_and_hostile_cards_name_the_file(saved):
    with pytest.raises(ModelPackageError, match=r"toy\.safetensors.*upgrade"):
        read_card(_rewritten(saved[0], format=FORMAT + 1))
    with pytest.raises(ModelPackageError, match=r"toy\.safetensors.*stride.*512"):
        read_card(_rewritten(saved[0], format=FORMAT, stride=2**20))


def test_altered_weights_are_noticed(saved):
    path = saved[0]
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelPackageError, match="damaged or altered"):
        load_model(path)


def test_network_larger_than_its_file_costs_no_memory(saved, monkeypatch):
    built = []
    network_of_card = package.network_of

    def watched(card):
        network = network_of_card(card)
        built.append(next(network.parameters()).device.type)
        return network

    monkeypatch.setattr(package, "network_of", watched)
    options = {"decoder_channels": [4096, 4096, 4096, 4096, 4096]}
    architecture = {"name": "unet", "encoder": "resnet152", "options": options}
    with pytest.raises(ModelPackageError, match="not those of the architecture"):
        load_model(_rewritten(saved[0], architecture=architecture))
    assert built == ["meta"]


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"name": "unett"}, "did you mean 'unet'"),
        ({"name": "unet", "encoder": "tu-nothing"}, "No encoder"),
        ({"name": "unet", "encoder": "tu-hf-hub.evil"}, "No encoder"),
        ({"name": "unet", "options": {"encoder_weights": "imagenet"}}, "not free"),
        ({"name": "unet", "options": {"checkpoint_path": "/etc/passwd"}}, "no option"),
        ({"name": "unet", "options": {"decoder_channels": [8, 8]}}, "cannot be built"),
    ],
)
def test_card_that_describes_no_network(saved, architecture, message):
    with pytest.raises(ModelPackageError, match=message):
        load_model(_rewritten(saved[0], architecture=architecture))


def test_encoder_weights_are_never_fetched(saved, monkeypatch):
    def refuse(*_args, **_kwargs):
        pytest.fail("went to the internet")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    load_model(saved[0])


def test_weights_of_another_network_are_not_saved(tmp_path, make_card):
    card = make_card()
    other = network_of(make_card(classes=[{"value": 1, "name": "a", "color": "#000000"}]))
    with pytest.raises(ModelPackageError, match="of another shape"):
        save_model(tmp_path / "a.safetensors", card, other)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite(tmp_path, make_card):
    card = make_card()
    network = network_of(card)
    with torch.no_grad():
        next(network.parameters())[:] = 1e30
    with pytest.raises(ModelPackageError, match="half=False"):
        save_model(tmp_path / "a.safetensors", card, network, half=True)


def test_output_folder_must_exist(tmp_path, make_card):
    card = make_card()
    with pytest.raises(OutputError, match="folder .*absent does not exist; create it"):
        save_model(tmp_path / "absent" / "a.safetensors", card, network_of(card))
    with pytest.raises(OutputError, match="ends in"):
        save_model(tmp_path / "a.pt", card, network_of(card))


def test_digest_sees_name_type_shape_and_value():
    a = torch.arange(6.0)
    digests = {
        weights_digest(weights)
        for weights in (
            {"a": a},
            {"b": a},
            {"a": a.double()},
            {"a": a.view(2, 3)},
            {"a": a + 1},
            {"a": a, "b": a},
        )
    }
    assert len(digests) == 6
    assert weights_digest({"a": a, "b": a}) == weights_digest({"b": a, "a": a.clone()})


def test_find_model(saved, monkeypatch):
    path = saved[0]
    assert find_model(path) == path
    monkeypatch.setattr(package, "_BUILTIN", path.parent)
    assert builtin_models() == {"toy": path}
    assert find_model("toy") == path
    with pytest.raises(UnknownModelError, match=r"did you mean 'toy'.*geodl models list"):
        find_model("toyy")
    with pytest.raises(UnknownModelError, match="absent"):
        find_model(Path("absent.safetensors"))


@pytest.mark.parametrize("name", sorted(builtin_models()))
def test_bundled_models_load(name):
    card, _ = load_model(builtin_models()[name])
    assert card.name == name
