"""What a plan of training becomes: network, loss, and loaders of patches."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.file import find_model, read_card
from georaster_dl.models.registry import create_model, network_stride
from georaster_dl.models.runtime.device import Device
from georaster_dl.tiling.split_blocks import TRAIN, VALIDATION
from georaster_dl.train.data.centre_pixels import CentrePatches
from georaster_dl.train.data.datasets import (
    EpochSampler,
    EvaluationPatches,
    Sample,
    TrainingPatches,
)
from georaster_dl.train.data.patches import SMALLEST_PATCH
from georaster_dl.train.data.plan import TrainingPlan
from georaster_dl.train.data.scaling import Scaling
from georaster_dl.train.data.windows import WindowReader
from georaster_dl.train.loop.learner import Learner
from georaster_dl.train.loop.objective import make_objective
from georaster_dl.train.loop.transfer import (
    freeze,
    initialise_from_imagenet,
    initialise_from_package,
)
from georaster_dl.train.settings.config import TrainConfig
from georaster_dl.train.settings.resolve import NO_PACKAGE
from georaster_dl.train.transforms.augment import Augmentation

__all__ = ["Setup", "check_network"]

_VALIDATION_WINDOWS = 256  # of an epoch's validation; the test part is measured whole
_VALIDATION_DRAWS = 4  # at least, of disturbed windows
_CHECKED_BANDS = 3  # any number will do to see whether a network can be built
_SAME = 1e-4  # logits; far above float32 rounding, far below what a neighbour's value changes


def check_network(config: TrainConfig) -> int | None:
    """Build the network for any bands: a wrong name must not be found after an hour of counting.

    Returns
    -------
    Side in pixels of the patches of a network that learns of their middle pixel only, 1 where the
    settings want single pixels; None of others.

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
    patch = getattr(network, "patch", None)
    if patch is None and config.patches.size == 1:
        _check_pixelwise(network, config)
        return 1
    if isinstance(patch, int) and config.task == "autoencoder":
        raise OptionError(
            f"{config.model.architecture} learns of a patch's middle pixel only, so it is no autoencoder; "
            f"use conv_autoencoder or dense_autoencoder."
        )
    return patch if isinstance(patch, int) else None


@torch.inference_mode()
def _check_pixelwise(network: nn.Module, config: TrainConfig) -> None:
    """Refuse patches of one pixel where they would not do."""
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


class Setup:
    """The network and its data, made from a plan; all that chance decides follows from the seed.

    Attributes
    ----------
    scaling : normalisation, measured on the training ground.
    taken : what was taken over from other weights, in words.
    """

    def __init__(self, plan: TrainingPlan, device: Device) -> None:
        self._plan = plan
        self._config = plan.config
        self._device = device
        self._reader = WindowReader(plan.stored, plan.masks, TRAIN)
        windows = plan.sampler(TRAIN, plan.patch, grid=True).windows
        self.scaling = Scaling.measure(self._reader, windows, self._config.seed)
        self.taken: list[str] = []
        if self._config.start.weights not in NO_PACKAGE:
            card = read_card(find_model(self._config.start.weights))
            if card.quantity == plan.quantity:
                self.scaling = self.scaling.with_bands_of(plan.bands, card)

    def learner(self) -> Learner:
        """The network with its loss; raises GeoRasterError where it cannot be built."""
        torch.manual_seed(self._config.seed)
        network = self._network()
        return Learner(network, make_objective(self._plan, self.scaling), self._config)

    def _network(self) -> nn.Module:
        config, plan = self._config, self._plan
        model, start = config.model, config.start
        options = _options(config)
        if start.weights == "imagenet":
            network = initialise_from_imagenet(
                model.architecture, model.encoder, plan.outputs, plan.bands, options
            )
            self.taken = ["encoder pretrained on ImageNet"]
        else:
            network = create_model(
                model.architecture,
                in_bands=len(plan.bands),
                n_classes=plan.outputs,
                encoder=model.encoder,
                encoder_weights=None,
                wavelengths_nm=[band.wavelength_nm for band in plan.bands],
                **options,
            )
        if start.weights not in NO_PACKAGE:
            package = find_model(start.weights)
            names = [band.name for band in plan.bands] if plan.unlabelled else plan.names
            self.taken = initialise_from_package(network, plan.bands, names, package)
        freeze(network, start.freeze)
        return network.to(memory_format=torch.channels_last)

    def sampler(self, rank: int = 0, world: int = 1) -> EpochSampler:
        """Which patches an epoch has; of several processes each gets its share."""
        plan = self._plan
        patches = plan.sampler(TRAIN, plan.patch)
        return EpochSampler(patches, plan.per_epoch, seed=self._config.seed, rank=rank, world=world)

    def training_loader(self, sampler: EpochSampler) -> DataLoader[Any]:
        """Batches of varied patches of the training ground."""
        patches = self._training_patches()
        return self._loader(patches, self._config.training.batch, sampler=sampler, drop_last=True)

    def _training_patches(self) -> Dataset[Sample]:
        config, plan = self._config, self._plan
        augmentation = Augmentation(**dict(config.augment))
        given = self._reader, plan.sampler(TRAIN, plan.patch), self.scaling, augmentation
        if plan.centred:
            cells = [index.cell for index in plan.indexes]
            return CentrePatches(
                *given,
                cells=cells,
                patch=plan.patch,
                seed=config.seed,
                balanced=config.patches.sampling == "balanced",
            )
        return TrainingPatches(
            *given, patch=plan.patch, seed=config.seed, corruption=plan.corruption
        )

    def validation_loader(self) -> DataLoader[Any]:
        """Windows that cover the labels of the validation ground, or many of them."""
        plan = self._plan
        reader = WindowReader(plan.stored, plan.masks, VALIDATION)
        windows = plan.evaluation_windows(VALIDATION)
        if len(windows) > _VALIDATION_WINDOWS:
            chosen = np.random.default_rng(self._config.seed).permutation(len(windows))
            windows = [windows[i] for i in sorted(chosen[:_VALIDATION_WINDOWS])]
        patches = EvaluationPatches(
            reader,
            windows,
            self.scaling,
            seed=self._config.seed,
            corruption=plan.corruption,
            fewest=_VALIDATION_DRAWS,
        )
        return self._loader(patches, max(1, self._config.training.batch // 4))

    def _loader(self, patches: Any, batch: int, **more: Any) -> DataLoader[Any]:
        workers = self._config.training.workers
        workers = _default_workers(self._device) if workers is None else workers
        return DataLoader(
            patches,
            batch_size=batch,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=self._device.is_cuda,
            **more,
        )


def _options(config: TrainConfig) -> dict[str, Any]:
    """Options of the architecture, lists as the tuples that the registry has."""
    options = config.model.options
    return {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}


def _default_workers(device: Device) -> int:
    """Few processes: reading is cheap, and on the CPU they take the network's own cores.

    With two cores none at all: reading in between costs less than threads that wait for each other.
    """
    cores = os.cpu_count() or 2
    if not device.is_cuda and cores <= 2:
        return 0
    return min(4, max(1, cores // 2))
