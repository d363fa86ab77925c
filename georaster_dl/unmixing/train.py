"""Training of the unmixing autoencoder on patches of a scene, without labels."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.blocks import chunks
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.unmixing.package import Statistics

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from georaster_dl.models.zoo.unmixing.autoencoder import UnmixingAutoencoder

__all__ = ["STEPS", "Patches", "read_patches", "train_autoencoder"]

STEPS = 300
_SIDE = 64
_BATCH = 2
_MOST_BYTES = 128 * 2**20
_RATE, _MEMBERS_RATE = 3e-3, 3e-4
_RMSE_WEIGHT = 2.0  # beside the angle, which leaves the size of members open

Patches = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]
"""Physical values (patches, bands, rows, cols) and where they are valid (patches, rows, cols)."""


def read_patches(scene: Scene, seed: int) -> Patches:
    """Read a scene in patches of 64 pixels, all of it where memory allows, else as many at random."""
    rows, cols = scene.shape
    side = min(_SIDE, rows, cols)
    places = [
        (slice(min(r.start, rows - side), None), slice(min(c.start, cols - side), None))
        for r, c in itertools.product(chunks(rows, side), chunks(cols, side))
    ]
    most = max(1, _MOST_BYTES // (4 * len(scene.planes) * side**2))
    chosen = sorted(np.random.default_rng(seed).permutation(len(places))[:most])
    values, valid = [], []
    with gdal_environment(), SceneReader(scene) as reader:
        for place in chosen:
            r, c = (slice(s.start, s.start + side) for s in places[place])
            numbers, measured = reader.read(r, c)
            if measured.any():
                values.append(np.where(measured, scene.to_physical(numbers), np.float32(0)))
                valid.append(measured)
    return np.stack(values), np.stack(valid)


def train_autoencoder(
    network: UnmixingAutoencoder,
    patches: Patches,
    statistics: Statistics,
    *,
    smoothness: float,
    seed: int,
    progress: Callable[[int], object],
) -> None:
    """Train an autoencoder in place: spectral angle, twice the root mean square error, and total variation.

    The members learn ten times as slowly as the encoder.

    Parameters
    ----------
    patches : of ``read_patches``.
    smoothness : weight of the total variation of the fractions.
    progress : takes the steps, ``STEPS`` in all.
    """
    import torch

    values, valid = torch.as_tensor(patches[0]), torch.as_tensor(patches[1])
    mean, std = (
        torch.as_tensor(each, dtype=torch.float32)[:, None, None]
        for each in (statistics.mean, statistics.std)
    )
    draw = torch.Generator().manual_seed(seed)
    optimiser, schedule = _optimiser(network)
    network.train()
    for _ in range(STEPS):
        chosen = torch.randint(len(values), (_BATCH,), generator=draw)
        image, measured = values[chosen], valid[chosen]
        fractions, mixed = network.mixtures((image - mean) / std)
        loss = _loss(image, mixed, measured, network.unit)
        if smoothness:
            loss = loss + smoothness * _variation(fractions, measured)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        progress(1)
    network.eval()


def _optimiser(network: UnmixingAutoencoder) -> tuple[torch.optim.Optimizer, Any]:
    import torch

    optimiser = torch.optim.Adam(
        [
            {"params": network.encoder.parameters(), "lr": _RATE},
            {"params": [network.free_members], "lr": _MEMBERS_RATE},
        ]
    )
    return optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)


def _loss(image: Tensor, mixed: Tensor, valid: Tensor, unit: Tensor) -> Tensor:
    sizes = image.norm(dim=1) * mixed.norm(dim=1)
    cosine = ((image * mixed).sum(1) / sizes.clamp_min(1e-30))[valid]
    angle: Tensor = cosine.clamp(-1 + 1e-6, 1 - 1e-6).arccos().mean()  # the slope is infinite at 1
    squares = (image - mixed).square().mean(1)[valid]
    return angle + _RMSE_WEIGHT * squares.mean().sqrt() / unit


def _variation(fractions: Tensor, valid: Tensor) -> Tensor:
    """Mean difference of neighbouring pixels, both valid."""
    total = fractions.new_zeros(())
    for axis in (1, 2):
        both = valid.narrow(axis, 1, valid.shape[axis] - 1) & valid.narrow(
            axis, 0, valid.shape[axis] - 1
        )
        steps = fractions.diff(dim=axis + 1).abs().sum(1)
        total = total + (steps * both).sum() / both.sum().clamp_min(1)
    return total
