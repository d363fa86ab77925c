"""Transfer learning: weights from another network, frozen layers, and gradual unfreezing.

A network trained on other bands or classes is taken over tensor by tensor. The kernels that read the
image are fitted to the new bands, the rows of the last layer to the new classes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from georaster_dl.core.bands import Band, find_band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.models.contract import last_convolution, network_part, network_stride
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import read_card
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.optional_bands import band_places, load_narrowed
from georaster_dl.models.runtime.start import copy_fitting
from georaster_dl.models.zoo.ensemble import Ensemble
from georaster_dl.training.start.public import IMAGENET_BANDS, PublicWeights

__all__ = [
    "Frozen",
    "adapt_first_conv",
    "freeze",
    "initialise_from_imagenet",
    "initialise_from_package",
    "initialise_from_public",
    "set_training_mode",
    "stages",
    "unfreeze_for_epoch",
]

Frozen = Literal["none", "encoder", "all-but-head"]

_NEAREST_WITHIN = 1.5  # visible to near infrared, but not to short-wave infrared


def adapt_first_conv(weight: Tensor, source: Sequence[Band], target: Sequence[Band]) -> Tensor:
    """Fit the kernels that read an image to other bands.

    A target band takes the kernel of the source band that is the same by name or wavelength (the
    rule of ``match_bands``); else of the source band nearest in wavelength, if the two differ by
    less than a factor of 1.5; else the mean of all source kernels. All are then scaled by the
    number of source bands over that of target bands, so the response keeps its magnitude.

    Parameters
    ----------
    weight : (filters, source bands, rows, cols).
    source, target : bands in the order of the channels.

    Returns
    -------
    Kernels (filters, target bands, rows, cols); for the same bands exactly those that came in.
    """
    mean = weight.mean(dim=1)
    kernels = [mean if i is None else weight[:, i] for i in _counterparts(source, target)]
    return torch.stack(kernels, dim=1) * (len(source) / len(target))


def _counterparts(source: Sequence[Band], target: Sequence[Band]) -> list[int | None]:
    """Index of the source band that serves each target band, None where none does."""
    return [_counterpart(band, source) for band in target]


def _counterpart(band: Band, source: Sequence[Band]) -> int | None:
    same = find_band(band, source)
    if same is not None or band.wavelength_nm is None:
        return same
    apart = {
        i: max(band.wavelength_nm / other.wavelength_nm, other.wavelength_nm / band.wavelength_nm)
        for i, other in enumerate(source)
        if other.wavelength_nm is not None
    }
    nearest = min(apart, key=lambda i: apart[i], default=None)
    return None if nearest is None or apart[nearest] >= _NEAREST_WITHIN else nearest


def initialise_from_package(
    network: nn.Module,
    bands: Sequence[Band],
    names: Sequence[str],
    package: Path,
    *,
    member: int = 0,
) -> list[str]:
    """Take over the weights of a model package, in place.

    A package of optional bands is first narrowed to those that the network reads too. Every tensor
    of the same name and shape is copied, the first convolution is fitted to the bands, and of the
    last layer the rows of classes, or of an autoencoder's bands, that have the same name (in either
    case). The rest stays as it is.

    Parameters
    ----------
    network : network of the package's architecture and encoder; options may differ.
    bands, names : input bands, and names of the outputs, in the order of the channels; those of an
        autoencoder are its bands, a regression has no names.
    package : model file.
    member : number of the network to take of an ensemble, from 0; beyond the last comes the first again.

    Returns
    -------
    Lines for people that describe the weights taken.

    Raises
    ------
    ModelPackageError
        When the package cannot be loaded.
    OptionError
        When architecture or encoder are others, or less than half of the encoder's tensors fit.
    """
    card, source = load_narrowed(package, _read_by_both(read_card(package), bands))
    if isinstance(source, Ensemble):
        source = source.members[member % len(source.members)]
    if (type(source), _name(source)) != (type(network), _name(network)):
        raise OptionError(
            f"{package} holds the architecture {card.architecture.name!r} with the encoder "
            f"{card.architecture.encoder!r} ({_name(source)}), but the network to train is "
            f"{_name(network)}; choose the same architecture and encoder, or other weights to start from."
        )
    if card.preprocessing is not None:
        raise OptionError(
            f"{package} was trained on spectra preprocessed by {card.preprocessing.steps}, but geodl train has no "
            f"preprocessing; start from random weights, or train on tables (geodl spectra train)."
        )
    head = last_convolution(network)
    weights = {k: v for k, v in source.state_dict().items() if not k.startswith(f"{head}.")}
    lines = _take(network, bands, source, weights, card.bands)
    source_names = [entry.name for entry in card.classes]
    if card.task == "fractions":
        source_names = [target.name for target in card.targets]
    if card.task == "autoencoder":
        source_names = [band.name for band in card.bands]
    source_names += ["boundaries of objects"] if card.gives_boundaries else []
    return [
        f"from {card.name} {card.version}: {lines[0]}",
        *lines[1:],
        *_take_outputs(
            network.get_submodule(head), names, source.get_submodule(head), source_names
        ),
    ]


def _read_by_both(card: Card, bands: Sequence[Band]) -> list[str]:
    """The bands that the network reads too; all, where there is none or none may be left out."""
    shared = list(band_places(card, bands)) if card.optional_bands else []
    return shared or [band.name for band in card.bands]


def initialise_from_imagenet(
    network: nn.Module, name: str, encoder: str, bands: Sequence[Band], options: Mapping[str, Any]
) -> None:
    """Take over an encoder that has learnt on ImageNet, in place.

    Parameters
    ----------
    network : of random weights.
    name, encoder, options : from which ``create_model`` made it.
    bands : bands in the order of the channels.

    Raises
    ------
    UnknownModelError
        When there is no such architecture or encoder, or its weights cannot be fetched.
    OptionError
        When the network cannot be built with these options.
    """
    # The random part of the network is then the same as without pretrained weights.
    with torch.random.fork_rng(devices=[]):
        source = create_model(
            name,
            in_bands=3,
            n_classes=1,
            encoder=encoder,
            encoder_weights="imagenet",
            **options,
        )
    weights = {k: v for k, v in source.state_dict().items() if k.startswith("encoder.")}
    _take(network, bands, source, weights, IMAGENET_BANDS)


def initialise_from_public(
    network: nn.Module, bands: Sequence[Band], name: str, public: PublicWeights
) -> list[str]:
    """Take over the weights of a public encoder, in place.

    Parameters
    ----------
    network : network whose encoder is of the same architecture, from timm (``tu-``) or of torchvision's names.
    bands : bands in the order of the channels.
    name : of the weights, for messages.
    public : by the names that timm gives the tensors of a whole model.

    Returns
    -------
    Lines for people that describe the weights taken.

    Raises
    ------
    OptionError
        When less than half of the encoder's tensors fit.
    """
    own = network.state_dict()
    weights: dict[str, Tensor] = {}
    for key, tensor in public.state.items():
        # As a list of features timm writes the first dot of ``stages.0.`` as ``stages_0.``.
        flat = key.replace(".", "_", 1)
        names = (f"encoder.model.{key}", f"encoder.model.{flat}", f"encoder.{key}")
        weights |= {place: tensor.float() for place in names if place in own}
    lines = _take(network, bands, network, weights, public.bands)
    return [f"from {name}: {lines[0]}", *lines[1:]]


def _take(
    network: nn.Module,
    bands: Sequence[Band],
    source: nn.Module,
    weights: dict[str, Tensor],
    source_bands: Sequence[Band],
) -> list[str]:
    """Copy the weights of equal shape, and fit the kernels that read the image; describe the result.

    A plane that the network reads behind the bands, of what is hidden, keeps its kernels.
    """
    reading = [key for name in _trace(source)[0] if (key := f"encoder.{name}.weight") in weights]
    own = network.state_dict()
    for key in reading:
        fitted = adapt_first_conv(weights[key], source_bands, bands)
        more = own[key][:, len(bands) :] if key in own else fitted[:, :0]
        weights[key] = torch.cat([fitted, more], dim=1) if more.shape[1] else fitted
    lines = [copy_fitting(network, weights)]
    return [*lines, f"first convolution: {_told(source_bands, bands)}"] if reading else lines


def _told(source: Sequence[Band], target: Sequence[Band], most: int = 16) -> str:
    """Describe how many bands the source has too, and the kernels that the other bands get."""
    new = [band for band in target if find_band(band, source) is None]
    served = zip(new, _counterparts(source, new), strict=True)
    kernels = [f"{b} from {'the mean of all' if i is None else source[i]}" for b, i in served]
    return ", ".join(
        [f"{len(target) - len(new)} of {counted(len(target), 'band')} found again"]
        + kernels[:most]
        + ["..."] * (len(kernels) > most)
    )


@torch.no_grad()
def _take_outputs(
    head: nn.Module, names: Sequence[str], source: nn.Module, source_names: Sequence[str]
) -> list[str]:
    """Copy the last layer's rows of the classes or bands that both networks have; describe them."""
    places = {name.casefold(): i for i, name in enumerate(source_names)}
    taken = source.state_dict()
    # A Bayesian layer has the weights of a plain one, as its means, and more.
    target = {key: tensor for key, tensor in head.state_dict().items() if key in taken}
    shared = [name for name in names if name.casefold() in places]
    if any(target[key].shape[1:] != taken[key].shape[1:] for key in target):
        shared = []
    for name in shared:
        for key, tensor in target.items():
            tensor[names.index(name)] = taken[key][places[name.casefold()]]
    new = [name for name in names if name not in shared]
    lines = (("classes taken", shared), ("classes from random weights", new))
    return [f"{line}: {', '.join(each)}" for line, each in lines if each]


def _name(network: nn.Module) -> str:
    """Architecture and encoder as the library below calls them, ``u-resnet18``."""
    return str(getattr(network, "name", type(network).__name__))


def _trace(network: nn.Module) -> tuple[list[str], list[str]]:
    """Trace the encoder: names of the convolutions that read the image, and of all modules in order."""
    encoder = copy.deepcopy(network_part(network, "encoder")).eval()
    first = next((m for m in encoder.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None:  # what sees pixels one by one has no kernels to fit to other bands
        return [], [name for name, _ in encoder.named_modules()]
    side = 4 * network_stride(network)
    planes = getattr(encoder, "in_bands", first.in_channels)
    probe = first.weight.new_zeros((1, planes, side, side))
    reading: list[str] = []
    ran: list[str] = []

    def watch(name: str, module: nn.Module) -> None:
        def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            ran.append(name)
            if isinstance(module, nn.Conv2d) and inputs[0] is probe:
                reading.append(name)

        module.register_forward_pre_hook(hook)

    for name, module in encoder.named_modules():
        watch(name, module)
    with torch.no_grad():
        encoder(probe)
    return reading, ran


def freeze(network: nn.Module, what: Frozen) -> None:
    """Let the optimiser change all weights but these.

    Parameters
    ----------
    network : network with parts ``encoder``, ``decoder`` and ``segmentation_head``.
    what : ``none``, ``encoder``, or ``all-but-head``.
    """
    network.requires_grad_(what != "all-but-head")
    if what == "encoder":
        network_part(network, "encoder").requires_grad_(False)
    if what == "all-but-head":
        network_part(network, "segmentation_head").requires_grad_(True)


def set_training_mode(network: nn.Module) -> None:
    """Set training mode, and eval mode in frozen parts.

    A frozen BatchNorm in training mode would still move its running statistics, and a frozen
    dropout still add noise. A part counts as frozen when it has weights and none can change.
    """
    network.train()
    _rest(network)


def _rest(module: nn.Module) -> None:
    weights = list(module.parameters())
    if weights and not any(weight.requires_grad for weight in weights):
        module.eval()
        return
    for child in module.children():
        _rest(child)


def stages(network: nn.Module) -> list[nn.Module]:
    """Stages of the encoder, from deep to shallow.

    These are the encoder's own parts, such as ``layer4`` .. ``layer1`` and the stem of a ResNet;
    where they are fewer than its depth, the largest list of parts is taken apart. A normalisation
    belongs to what it follows. Parts that the encoder does not use are left out.
    """
    ran = _trace(network)[1]
    encoder = network_part(network, "encoder")
    prefix = "model." if isinstance(getattr(encoder, "model", None), nn.Module) else ""
    parts = _parts(encoder.get_submodule(prefix.rstrip(".")), prefix)
    if isinstance(parts.get("stages"), nn.ModuleList):  # a list of stages is no stage
        parts |= _parts(parts.pop("stages"), "stages.")
    depth = network_stride(network).bit_length() - 1
    while len(groups := _grouped(parts, ran)) < depth:
        lists = [n for n, m in parts.items() if isinstance(m, nn.Sequential | nn.ModuleList)]
        if not lists:
            break
        largest = max(lists, key=lambda name: _size(parts[name]))
        parts |= _parts(parts.pop(largest), f"{largest}.")
    return [nn.ModuleList(group) for group in reversed(groups)]


def _parts(module: nn.Module, prefix: str) -> dict[str, nn.Module]:
    return {prefix + name: child for name, child in module.named_children() if _size(child)}


def _size(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _grouped(parts: Mapping[str, nn.Module], ran: Sequence[str]) -> list[list[nn.Module]]:
    """Group parts in the order in which they ran, normalisations with the part before them."""
    first = {name: _first(name, ran) for name in parts}
    groups: list[list[nn.Module]] = []
    for name in sorted((n for n in parts if first[n] < len(ran)), key=lambda n: first[n]):
        part = parts[name]
        if groups and all(weight.ndim == 1 for weight in part.parameters()):
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _first(name: str, ran: Sequence[str]) -> int:
    """When the module or anything in it ran first; after all others where it did not."""
    inside = (i for i, other in enumerate(ran) if other == name or other.startswith(f"{name}."))
    return next(inside, len(ran))


def unfreeze_for_epoch(network: nn.Module, what: Frozen, epoch: int, every: int) -> None:
    """Freeze as at the start of an epoch of gradual unfreezing (Howard & Ruder 2018).

    After each ``every`` epochs one more stage may change, the deepest first; what was frozen
    ``all-but-head`` starts with the decoder. The result follows from the epoch alone, so training
    can be resumed.

    Parameters
    ----------
    network, what : as for ``freeze``.
    epoch : number of the epoch, from 0.
    every : epochs between two steps; 0 keeps frozen what is frozen.
    """
    freeze(network, what)
    if what == "none" or every <= 0:
        return
    steps = stages(network)
    if what == "all-but-head":
        steps = [network_part(network, "decoder"), *steps]
    done = epoch // every
    for part in steps[:done]:
        part.requires_grad_(True)
    if done >= len(steps):  # weights outside every stage too, such as a transformer's positions
        network.requires_grad_(True)
