"""Networks to train: checked for their patches, built for their data, initialised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import network_stride, patch_size
from georaster_dl.models.package.file import find_model
from georaster_dl.models.registry import create_model
from georaster_dl.training.data.training_data import SMALLEST_PATCH, TrainingData
from georaster_dl.training.loop.run_folder import best_checkpoint, read_checkpoint
from georaster_dl.training.loop.transfer import (
    freeze,
    initialise_from_imagenet,
    initialise_from_package,
    initialise_from_public,
)
from georaster_dl.training.settings.config import TrainConfig, read_config
from georaster_dl.training.start.public import is_package, is_public, load_public

__all__ = ["build_network", "check_network", "random_network", "without_mask_plane"]

_CHECKED_BANDS = 3  # any number will do to see whether a network can be built
_SAME = 1e-4  # logits; far above float32 rounding, far below what a neighbour's value changes


def check_network(config: TrainConfig) -> int | None:
    """Build the network for any bands: a wrong name must not be found after an hour of counting.

    Returns
    -------
    Side in pixels of the patches of a network that is trained on their middle pixel only, 1 where
    the settings want single pixels; None of others.

    Raises
    ------
    GeoRasterError
        When architecture, encoder or options are wrong, or weights cannot be fetched.
    """
    network = create_model(
        config.model.architecture,
        in_bands=_CHECKED_BANDS,
        n_classes=2,
        encoder=config.model.encoder,
        encoder_weights="imagenet" if config.start.weights == "imagenet" else None,
        **_options(config),
    )
    if is_public(config.start.weights):
        load_public(config.start.weights)
    if config.task == "autoencoder" and config.corruption.hidden:
        _check_masked(network, config)
    stride = network_stride(network)
    if SMALLEST_PATCH % stride:
        raise OptionError(
            f"{config.model.architecture} with these options has a stride of {stride} pixels, but training "
            f"takes up to {SMALLEST_PATCH}; give it fewer levels."
        )
    patch = patch_size(network)
    single = patch is not None or config.patches.size == 1
    if single and config.labels.per_polygon:
        raise OptionError(
            f"`per_polygon=True` needs the pixels of a polygon together, but {config.model.architecture} with these "
            f"settings learns from single pixels; choose another network, or leave out patches.size."
        )
    if patch is not None and config.labels.instances:
        raise OptionError(
            f"`instances=True` learns where objects end, but {config.model.architecture} learns of a patch's middle pixel "
            f"only; choose another network, such as unet."
        )
    if patch is None and config.patches.size == 1:
        _check_pixelwise(network, config)
        return 1
    if patch is not None and config.task == "autoencoder":
        raise OptionError(
            f"{config.model.architecture} learns of a patch's middle pixel only, so it is no autoencoder; "
            f"use conv_autoencoder or dense_autoencoder."
        )
    return patch


@torch.inference_mode()
def _check_masked(network: nn.Module, config: TrainConfig) -> None:
    """Check that a network sees beyond a pixel, and that the mask plane can be folded away."""
    name, hidden = config.model.architecture, config.corruption.hidden
    if patch_size(network) is None and _sees_one_pixel(network):
        raise OptionError(
            f"corruption.hidden is {hidden}, but {name} sees one pixel at a time, so nothing tells it what is hidden; "
            f"use corruption.hidden = 0."
        )
    try:
        masked = create_model(
            name,
            in_bands=_CHECKED_BANDS + 1,
            n_classes=2,
            encoder=config.model.encoder,
            encoder_weights=None,
            **_options(config),
        )
        without_mask_plane(masked, network)
    except (RuntimeError, LookupError, OptionError) as error:
        raise OptionError(
            f"corruption.hidden is {hidden}, but the input of {name} cannot have a plane more for it ({error}); use "
            f"corruption.hidden = 0, or another architecture such as unet."
        ) from error


def without_mask_plane(network: nn.Module, plain: nn.Module) -> nn.Module:
    """Copy a masked autoencoder's weights into a plain network of the bands, without the kernels of the mask plane.

    The plane is 0 where nothing is hidden, so on whole scenes both are one function.

    Parameters
    ----------
    network : of one plane more, which says what is hidden.
    plain : network of the same architecture; changed in place.

    Raises
    ------
    RuntimeError
        When the networks differ in more than that plane.
    """
    own = plain.state_dict()
    kept = {
        name: tensor[:, : own[name].shape[1]] if tensor.ndim > 1 and name in own else tensor
        for name, tensor in network.state_dict().items()
    }
    plain.load_state_dict(kept)
    return plain


@torch.inference_mode()
def _check_pixelwise(network: nn.Module, config: TrainConfig) -> None:
    """Check that a network may be trained on patches of one pixel."""
    if config.task == "autoencoder":
        raise OptionError(
            "patches.size is 1, single labelled pixels, but an autoencoder learns without labels; leave it out."
        )
    if _sees_one_pixel(network):
        return
    raise OptionError(
        f"patches.size is 1, but {config.model.architecture} also sees what surrounds a pixel; leave it out, or "
        f"use a multiple of {SMALLEST_PATCH}."
    )


def _sees_one_pixel(network: nn.Module) -> bool:
    """Whether the network reads each pixel by itself."""
    if network_stride(network) > 1:
        return False
    network.eval()
    image = torch.rand(1, _CHECKED_BANDS, 3, 3)
    middle = image[..., 1:2, 1:2]
    return torch.allclose(network(image)[..., 1:2, 1:2], network(middle), atol=_SAME)


def build_network(data: TrainingData, member: int = 0) -> tuple[nn.Module, list[str]]:
    """Build the network for the bands and outputs of the data; its random weights follow from the seed.

    Parameters
    ----------
    member : number of the network in its ensemble, from 0; it starts from that member of another.

    Returns
    -------
    Network in the memory format of training, and lines that describe the weights it starts from,
    none for random ones.

    Raises
    ------
    GeoRasterError
        When the network cannot be built, or not start from the weights.
    """
    torch.manual_seed(data.config.seed)
    model, start = data.config.model, data.config.start
    started: list[str] = []
    network = random_network(data, masked=data.masked)
    if start.weights == "imagenet":
        initialise_from_imagenet(
            network, model.architecture, model.encoder, data.bands, _options(data.config)
        )
        started = ["encoder pretrained on ImageNet"]
    if is_public(start.weights):
        started = initialise_from_public(
            network, data.bands, start.weights, load_public(start.weights)
        )
    if is_package(start.weights):
        names = (
            [band.name for band in data.bands]
            if data.unlabelled
            else list(data.names or data.fractions)
        )
        names += ["boundaries of objects"] if data.instances else []
        started = initialise_from_package(
            network, data.bands, names, find_model(start.weights), member=member
        )
    if data.masked and start.rehearse is not None:
        started += _take_mask_plane(network, random_network(data), start.rehearse)
    _check_outputs(network, data)
    freeze(network, start.freeze)
    return network.to(memory_format=torch.channels_last), started


def _take_mask_plane(network: nn.Module, plain: nn.Module, run: Path) -> list[str]:
    """Take over the kernels of the mask plane, which packages lack, from the best epoch of the run to rehearse.

    Parameters
    ----------
    plain : network of the same architecture without that plane.

    Returns
    -------
    A line for people.
    """
    own, bands = network.state_dict(), plain.state_dict()
    planes = [name for name, tensor in own.items() if tensor.shape != bands[name].shape]
    config, best = run / "config.toml", best_checkpoint(run)
    if not config.exists() or not read_config(config).corruption.hidden or not best.exists():
        return ["a new mask plane, since the run to rehearse has none"]
    learnt = read_checkpoint(best)["state_dict"]
    found = {name: learnt.get(f"network.{name}", torch.empty(0)) for name in planes}
    if not all(_alike_but_for_inputs(own[name], found[name]) for name in planes):
        return ["a new mask plane, since that of the run to rehearse does not fit"]
    for name in planes:
        own[name][:, -1] = found[name][:, -1]
    return ["the mask plane of the run to rehearse"]


def _alike_but_for_inputs(one: Tensor, other: Tensor) -> bool:
    """Whether two kernels (outputs, inputs, rows, cols) differ in the number of inputs at most."""
    return one.ndim == other.ndim and one[:, -1].shape == other[:, -1].shape


def random_network(data: TrainingData, *, masked: bool = False) -> nn.Module:
    """Build the network of the data with random weights.

    Parameters
    ----------
    masked : whether one more plane of the input says what is hidden.
    """
    model = data.config.model
    wavelengths = [band.wavelength_nm for band in data.bands]
    modalities = [band.modality for band in data.bands]
    return create_model(
        model.architecture,
        in_bands=len(data.bands) + masked,
        n_classes=data.outputs,
        encoder=model.encoder,
        encoder_weights=None,
        wavelengths_nm=[*wavelengths, None] if masked else wavelengths,
        modalities=[*modalities, modalities[0]] if masked else modalities,
        **_options(data.config),
    )


@torch.no_grad()
def _check_outputs(network: nn.Module, data: TrainingData) -> None:
    """Check that a patch gives as many outputs as the data have, each of the patch's size."""
    image = torch.zeros(1, data.planes, data.patch, data.patch)
    training = network.training
    output = network.eval()(image)
    network.train(training)
    expected = (1, data.outputs, data.patch, data.patch)
    if not isinstance(output, torch.Tensor) or tuple(output.shape) != expected:
        came = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise OptionError(
            f"{data.config.model.architecture} gives {came} for an image of {tuple(image.shape)}, but training needs "
            f"{expected}: (N, outputs, rows, cols); correct the network's forward()."
        )


def _options(config: TrainConfig) -> dict[str, Any]:
    """Options of the architecture, lists as the tuples that the registry has."""
    options = config.model.options
    return {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}
