"""How large the patches of a training are, and how many an epoch has, where the settings leave it open."""

from __future__ import annotations

from collections.abc import Sequence

from georaster_dl.core.errors import OptionError
from georaster_dl.train.data.labelled_scenes import LabelledScene
from georaster_dl.train.settings.config import TrainConfig

__all__ = ["SMALLEST_PATCH", "centred_side", "patch_side", "patches_per_epoch"]

SMALLEST_PATCH = 32  # and every network can halve it five times
_PATCH, _FINE_PATCH = 64, 256  # in pixels; many small patches learn faster than few large ones,
_FINE_M = 2.0  # but where pixels are finer than this, a small one shows a piece of a roof
_FEWEST_BATCHES, _MOST_PATCHES = 30, 2048  # of an epoch


def patches_per_epoch(covering: float, config: TrainConfig) -> int:
    """The configured number of patches, else four times as many as cover the labels, within limits."""
    batch = config.training.batch
    wished = max(min(round(4 * covering), _MOST_PATCHES), _FEWEST_BATCHES * batch)
    per_epoch = config.patches.per_epoch or -(-wished // batch) * batch
    if per_epoch < batch:
        raise OptionError(
            f"patches.per_epoch is {per_epoch}, fewer than a batch of {batch}; raise it or lower "
            f"training.batch."
        )
    return per_epoch


def centred_side(side: int, config: TrainConfig) -> int:
    """The side that the network takes, which nothing else may contradict."""
    if config.patches.size not in (None, side):
        raise OptionError(
            f"patches.size is {config.patches.size}, but {config.model.architecture} takes patches of "
            f"{side} pixels; leave it out."
        )
    if config.patches.sampling == "grid":
        raise OptionError(
            f"patches.sampling is 'grid', but {config.model.architecture} learns of a patch's middle pixel "
            f"only; use 'balanced' or 'random'."
        )
    return side


def patch_side(grounds: Sequence[LabelledScene], config: TrainConfig) -> int:
    """The configured side, else one that suits the resolution; a multiple of 32."""
    wished = config.patches.size
    if wished is None:
        resolution = grounds[0].scene.resolution_m
        fine = resolution is not None and resolution < _FINE_M
        smallest = min(min(ground.scene.shape) for ground in grounds)
        wished = min(_FINE_PATCH if fine else _PATCH, max(smallest, SMALLEST_PATCH))
        return wished // SMALLEST_PATCH * SMALLEST_PATCH
    if wished % SMALLEST_PATCH:
        raise OptionError(
            f"patches.size is {wished} but must be a multiple of {SMALLEST_PATCH}, which every "
            f"network can halve five times; use {max(wished // 32, 1) * 32}."
        )
    return wished
