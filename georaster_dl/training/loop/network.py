"""Networks to train: checked for their patches, built for their data, initialised."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import network_stride, patch_size
from georaster_dl.models.package.file import find_model
from georaster_dl.models.registry import create_model
from georaster_dl.training.data.training_data import SMALLEST_PATCH, TrainingData
from georaster_dl.training.loop.transfer import (
    freeze,
    initialise_from_imagenet,
    initialise_from_package,
)
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import NO_PACKAGE

__all__ = ["build_network", "check_network"]

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
def _check_pixelwise(network: nn.Module, config: TrainConfig) -> None:
    """Check that a network may be trained on patches of one pixel."""
    if config.task == "autoencoder":
        raise OptionError(
            "patches.size is 1, single labelled pixels, but an autoencoder learns without labels; leave it out."
        )
    if network_stride(network) == 1:
        network.eval()
        image = torch.rand(1, _CHECKED_BANDS, 3, 3)
        middle = image[..., 1:2, 1:2]
        if torch.allclose(network(image)[..., 1:2, 1:2], network(middle), atol=_SAME):
            return
    raise OptionError(
        f"patches.size is 1, but {config.model.architecture} also sees what surrounds a pixel; leave it out, or "
        f"use a multiple of {SMALLEST_PATCH}."
    )


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
    options = _options(data.config)
    started: list[str] = []
    if start.weights == "imagenet":
        network = initialise_from_imagenet(
            model.architecture, model.encoder, data.outputs, data.bands, options
        )
        started = ["encoder pretrained on ImageNet"]
    else:
        network = create_model(
            model.architecture,
            in_bands=len(data.bands),
            n_classes=data.outputs,
            encoder=model.encoder,
            encoder_weights=None,
            wavelengths_nm=[band.wavelength_nm for band in data.bands],
            **options,
        )
    if start.weights not in NO_PACKAGE:
        names = (
            [band.name for band in data.bands]
            if data.unlabelled
            else list(data.names or data.fractions)
        )
        started = initialise_from_package(
            network, data.bands, names, find_model(start.weights), member=member
        )
    _check_outputs(network, data)
    freeze(network, start.freeze)
    return network.to(memory_format=torch.channels_last), started


@torch.no_grad()
def _check_outputs(network: nn.Module, data: TrainingData) -> None:
    """Check that a patch gives as many outputs as the data have, each of the patch's size."""
    image = torch.zeros(1, len(data.bands), data.patch, data.patch)
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
