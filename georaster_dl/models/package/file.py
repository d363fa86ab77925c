"""A model in one file: ``.safetensors``, with the card in the file's header.

The file holds tensors and text, nothing that runs: no pickle, no code, no download. What the card
claims is checked before memory is spent on it, because a model file may come from anybody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georaster_dl.core.errors import ModelPackageError, OptionError, OutputError, UnknownModelError
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.models.package.card import Card

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "builtin_models",
    "find_model",
    "load_model",
    "network_of",
    "read_card",
    "save_model",
    "tensor_shapes",
    "weights_digest",
    "with_card",
]

SUFFIX = ".safetensors"
CARD_KEY = "georaster_dl_card"
_MAX_HEADER_BYTES = 16 * 2**20
_BUILTIN = Path(__file__).parents[1] / "builtin"


def builtin_models() -> dict[str, Path]:
    """Return the models that come with the library, by name; only the folder is read."""
    return {path.name.removesuffix(SUFFIX): path for path in sorted(_BUILTIN.glob(f"*{SUFFIX}"))}


def find_model(name_or_path: str | Path) -> Path:
    """Return the model file meant by a path or by the name of a bundled model.

    Raises
    ------
    UnknownModelError
        When there is neither such a file nor such a bundled model.
    """
    from georaster_dl.core.wording import nearest_names

    path = Path(name_or_path)
    if path.is_file():
        return path
    bundled = builtin_models()
    bundled_path = bundled.get(str(name_or_path))
    if bundled_path is not None:
        return bundled_path
    raise UnknownModelError(
        f"There is no model file and no bundled model {str(name_or_path)!r}"
        f"{nearest_names(str(name_or_path), bundled)}; see `geodl models list`."
    )


def read_card(path: str | Path) -> Card:
    """Read the card of a model file, without its weights and without importing torch.

    Raises
    ------
    ModelPackageError
        When the file cannot be read, is not a model of this library, is cut short, was written by
        a newer version, or its card breaks a limit.
    """
    metadata = _read_header(Path(path)).get("__metadata__")
    text = metadata.get(CARD_KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise ModelPackageError(
            f"{path} holds weights but no model card, so it does not say which bands and classes it is "
            f"for; use a file that georaster_dl saved."
        )
    try:
        return Card.from_json(text)
    except ModelPackageError as error:
        raise ModelPackageError(f"{path}: {error}") from None


def _read_header(path: Path) -> dict[str, Any]:
    """Read a safetensors header by hand: 8 bytes of length, little endian, then JSON."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or length > _MAX_HEADER_BYTES:
                raise _foreign(path)
            text = file.read(length)
    except OSError as error:
        raise ModelPackageError(
            f"The model file {path} cannot be read ({error.strerror}); check the path."
        ) from error
    if text[:1] != b"{":
        raise _foreign(path)
    if len(text) < length:
        raise _truncated(path, size, 8 + length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise _foreign(path) from None
    tensors = [entry for name, entry in header.items() if name != "__metadata__"]
    if not all(_sound(entry) for entry in tensors):
        raise _foreign(path)
    end = 8 + length + max((entry["data_offsets"][1] for entry in tensors), default=0)
    if end > size:
        raise _truncated(path, size, end)
    return header  # type: ignore[no-any-return]


def _sound(entry: object) -> bool:
    """Whether a header entry describes a tensor: a type, a shape, and the offsets of its bytes."""
    if not isinstance(entry, dict):
        return False
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    return (
        isinstance(entry.get("dtype"), str)
        and isinstance(shape, list)
        and isinstance(offsets, list)
        and len(offsets) == 2
        and all(type(number) is int and number >= 0 for number in [*shape, *offsets])
    )


def _foreign(path: Path) -> ModelPackageError:
    return ModelPackageError(
        f"{path} is not a model package: expected a {SUFFIX} file saved by georaster_dl; "
        f"see `geodl models list` for the bundled ones."
    )


def _truncated(path: Path, size: int, expected: int) -> ModelPackageError:
    return ModelPackageError(
        f"{path} is cut short: it has {size} bytes, but its header announces {expected}; copy or "
        f"download it again."
    )


def tensor_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor in a model file, from its header; raises as ``read_card``."""
    header = _read_header(Path(path))
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def load_model(path: str | Path) -> tuple[Card, nn.Module]:
    """Load a model: its card, and its network in eval mode with float32 weights on the CPU.

    Raises
    ------
    ModelPackageError
        As ``read_card``, and when the weights are not those of the card's architecture, are not
        finite, or differ from the digest that was written with them.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    card = read_card(path)
    shapes = tensor_shapes(path)
    _check_shapes(path, _planned_shapes(card), shapes)
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelPackageError(
            f"The weights in {path} cannot be read ({error}); get the file again."
        ) from error
    digest = weights_digest(weights)
    if digest != card.weights_sha256:
        raise ModelPackageError(
            f"The weights in {path} have the digest {digest[:12]}..., but its card says "
            f"{card.weights_sha256[:12] or 'none'}...; the file was damaged or altered: get it again."
        )
    network = _matching_network(path, card, shapes)
    network.load_state_dict({name: _single(path, name, tensor) for name, tensor in weights.items()})
    return card, network.eval()


def _matching_network(
    path: str | Path, card: Card, shapes: Mapping[str, tuple[int, ...]]
) -> nn.Module:
    """Build the network of a card; refuse a card whose network has other weights or another stride."""
    from georaster_dl.models.contract import network_stride

    network = network_of(card)
    _check_shapes(path, _shapes(network), shapes)
    stride = network_stride(network)
    if card.stride % stride:
        raise ModelPackageError(
            f"The card of {card.name} says stride {card.stride}, but the network down-samples by {stride}; "
            f"correct the card."
        )
    return network


def _single(path: str | Path, name: str, tensor: Tensor) -> Tensor:
    """Return a stored tensor as float32, or as it is where it counts something."""
    if not tensor.is_floating_point():
        return tensor
    tensor = tensor.float()
    if not bool(tensor.isfinite().all()):
        raise ModelPackageError(
            f"The weights {name!r} in {path} are not finite, so every map would be empty; train or get "
            f"the model again."
        )
    return tensor


def network_of(card: Card) -> nn.Module:
    """Build the network that a card describes, with random weights; nothing is downloaded.

    The random generator is left as it was: loading a model must not change a user's experiment.

    Raises
    ------
    ModelPackageError
        When no such network can be built.
    """
    import torch

    from georaster_dl.models.registry import create_model

    encoder = {} if card.architecture.encoder is None else {"encoder": card.architecture.encoder}
    with torch.random.fork_rng(devices=[]):
        try:
            return create_model(
                card.architecture.name,
                in_bands=len(card.bands),
                n_classes=card.outputs,
                encoder_weights=None,
                wavelengths_nm=[band.wavelength_nm for band in card.bands],
                sensors=[sensor.bands for sensor in card.series.sensors] if card.series else (),
                modalities=[band.modality for band in card.bands],
                **encoder,
                **_free_options(card),
            )
        except (UnknownModelError, OptionError) as error:
            raise ModelPackageError(
                f"The model {card.name!r} cannot be built: {error} It may need a newer georaster_dl, or the "
                f"package that its network comes from."
            ) from error


def _free_options(card: Card) -> dict[str, Any]:
    """Options of the card; those that would overrule the card's own fields are refused."""
    reserved = {
        "name",
        "in_bands",
        "n_classes",
        "encoder",
        "encoder_weights",
        "wavelengths_nm",
        "sensors",
        "modalities",
    }
    clash = sorted(reserved & set(card.architecture.options))
    if clash:
        raise OptionError(
            f"The options {', '.join(clash)} are not free: remove them from the card."
        )
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in card.architecture.options.items()
    }


def _planned_shapes(card: Card) -> dict[str, tuple[int, ...]] | None:
    """Shapes of the card's weights, found without memory for them; None where that fails.

    A small file can describe a network of many GiB; on the meta device it costs nothing to see
    that its weights are not in the file. Some encoders compute while they are built, which the
    meta device cannot do: these are checked after building.
    """
    import torch

    try:
        with torch.device("meta"):
            return _shapes(network_of(card))
    except ModelPackageError as error:
        if isinstance(error.__cause__, UnknownModelError):
            raise
        return None


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _check_shapes(
    path: str | Path,
    wanted: Mapping[str, tuple[int, ...]] | None,
    present: Mapping[str, tuple[int, ...]],
) -> None:
    if wanted is None or wanted == present:
        return
    missing = sorted(set(wanted) - set(present))
    surplus = sorted(set(present) - set(wanted))
    other = sorted(name for name in set(wanted) & set(present) if wanted[name] != present[name])
    differences = [
        f"{len(names)} {what} (first: {names[0][:80]!r})"
        for names, what in (
            (missing, "missing"),
            (surplus, "too many"),
            (other, "of another shape"),
        )
        if names
    ]
    raise ModelPackageError(
        f"The weights in {path} are not those of the architecture on its card: {', '.join(differences)} of "
        f"{len(wanted)} tensors; the file is damaged or its card was altered."
    )


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256, in hex, over every tensor's name, type, shape and bytes, in the order of names."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_model(path: str | Path, card: Card, network: nn.Module, *, half: bool = False) -> Card:
    """Write a model file; it appears complete or not at all, and replaces an older one.

    Parameters
    ----------
    path : file to write, ending in ``.safetensors``.
    card : the card; its digest is filled in.
    network : the network that the card describes.
    half : store matrices and kernels as float16, which halves the file and rounds the weights.

    Returns
    -------
    The card as it was written.

    Raises
    ------
    ModelPackageError
        When ``load_model`` would refuse the file: the network is not the one that the card describes
        (wavelengths included), or states no stride that fits the card's.
    OutputError
        When the file cannot be written.
    """
    from safetensors.torch import save

    path = Path(path)
    if path.suffix != SUFFIX:
        raise OutputError(
            f"A model file ends in {SUFFIX}, but got {path.name!r}; rename the output."
        )
    weights = {name: _stored(name, tensor, half) for name, tensor in network.state_dict().items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    _check_shapes(path, _planned_shapes(card), shapes)
    _check_constants(card, network, _matching_network(path, card, shapes))
    card = card.model_copy(update={"weights_sha256": weights_digest(weights)})
    write_atomically(path, save(weights, metadata={CARD_KEY: card.to_json()}))
    return card


def with_card(path: str | Path, card: Card) -> bytes:
    """Make the bytes of a model file that has another card; its weights stay the same bytes.

    Parameters
    ----------
    card : with the architecture, bands and classes of the file's own card.

    Raises
    ------
    ModelPackageError
        As ``read_card``.
    """
    header = _read_header(Path(path))
    header["__metadata__"] = {**header.get("__metadata__", {}), CARD_KEY: card.to_json()}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format wants the weights at a multiple of 8 bytes
    content = Path(path).read_bytes()
    weights = content[8 + int.from_bytes(content[:8], "little") :]
    return len(text).to_bytes(8, "little") + text + weights


def _check_constants(card: Card, network: nn.Module, built: nn.Module) -> None:
    """Refuse a network that holds other constants than the network that its card is built into.

    Constants that follow from bands and options are not in the file.
    """
    import torch

    expected = _constants(built)
    for name, tensor in _constants(network).items():
        wanted = expected.get(name)
        if wanted is None or not torch.equal(wanted, tensor.cpu().to(wanted.dtype)):
            raise ModelPackageError(
                f"The network differs from what the card of {card.name} makes of it, in {name!r}; build it "
                f"for the wavelengths and with the options that the card states."
            )


def _constants(network: nn.Module) -> dict[str, Tensor]:
    stored = network.state_dict()
    return {name: tensor for name, tensor in network.named_buffers() if name not in stored}


def _stored(name: str, tensor: Tensor, half: bool) -> Tensor:
    # A copy, because tensors that share memory are refused by the format.
    tensor = tensor.detach().cpu().contiguous().clone()
    if not tensor.is_floating_point():
        return tensor
    # Biases and running statistics are few and sensitive: never in half.
    tensor = tensor.half() if half and tensor.ndim >= 2 else tensor.float()
    if not bool(tensor.isfinite().all()):
        raise ModelPackageError(
            f"The weights {name!r} are not finite{' in float16' if half else ''}; train again with a "
            f"lower learning rate{' or save with half=False' if half else ''}."
        )
    return tensor
