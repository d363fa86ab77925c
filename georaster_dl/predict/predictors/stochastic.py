"""Layers that are random in prediction, too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from georaster_dl.models.runtime.features import is_grid_of
from georaster_dl.models.zoo.heads.bayesian import BayesianConv2d
from georaster_dl.predict.engine.rewrite.random import RandomLayer
from georaster_dl.predict.predictors.fields import Draw, kept_share, normal_field, over_planes

__all__ = ["SceneDropout", "SceneSampled", "make_bayesian_random", "make_dropout_random"]

_DROPOUTS = nn.Dropout, nn.Dropout2d


class SceneDropout(nn.Module):
    """Dropout with masks of the scene, independent of the tiling.

    Parameters
    ----------
    share : of the values that are dropped; the others are divided by ``1 - share``.
    layer : number of this layer in its network.
    """

    def __init__(self, share: float, layer: int, draw: Draw) -> None:
        super().__init__()
        self.share = share
        self._layer = layer
        self._draw = draw
        self._run = RandomLayer(self.mask)

    def forward(self, planes: Tensor) -> Tensor:
        """Masked planes (N, channels, rows, cols)."""
        return self._run(planes)

    def mask(self, planes: Tensor, made: Tensor) -> None:
        """Multiply planes with the mask of the pass and the place."""
        kept = kept_share(self._draw.key(self._layer), planes.shape[1], self.share)
        numbers = torch.from_numpy(kept).to(planes.device, planes.dtype).div_(1 - self.share)
        for origin, image, masked in zip(self._draw.places(planes), planes, made, strict=True):
            for rows, mask in over_planes(numbers, image, origin):
                torch.mul(image[:, rows], mask, out=masked[:, rows])


class SceneSampled(nn.Module):
    """Bayesian layer that samples, with noise of the scene, independent of the tiling.

    Not weights are sampled but outputs, so each pixel has weights of its own (local reparametrisation,
    Kingma et al. 2015).

    Parameters
    ----------
    number : of this layer in its network.
    """

    def __init__(self, layer: BayesianConv2d, number: int, draw: Draw) -> None:
        super().__init__()
        self.layer = layer
        self._number = number
        self._draw = draw
        self._noise = RandomLayer(self.fill)

    def forward(self, image: Tensor) -> Tensor:
        """Sampled planes (N, planes, rows, cols)."""
        # Mean and deviation are the same in all passes; only the noise is an operation of each.
        noise = self._noise(self.layer(image).float())
        sampled: Tensor = self.layer.sampled(image, noise)
        return sampled

    def fill(self, _planes: Tensor, noise: Tensor) -> None:
        """Fill planes with the standard normal numbers of the pass and the place."""
        drawn = normal_field(self._draw.key(self._number), noise.shape[1])
        numbers = torch.from_numpy(drawn).to(noise.device)
        for origin, of_image in zip(self._draw.places(noise), noise, strict=True):
            for rows, field in over_planes(numbers, of_image, origin):
                of_image[:, rows] = field


def make_bayesian_random(network: nn.Module, draw: Draw) -> list[str]:
    """Let the Bayesian layers of a network sample, in place; returns their names."""
    layers = {n: m for n, m in network.named_modules() if isinstance(m, BayesianConv2d)}
    for number, (name, layer) in enumerate(layers.items()):
        network.set_submodule(name, SceneSampled(layer, number, draw))
    return list(layers)


def make_dropout_random(network: nn.Module, in_bands: int, stride: int, draw: Draw) -> list[str]:
    """Activate the dropout of a network, in place.

    Only dropout of planes is: a layer whose values have no place in the image, such as tokens of a
    transformer, stays off.

    Returns
    -------
    Names of the replaced layers; none where the network has no such dropout.
    """
    names = [
        name
        for name, module in network.named_modules()
        if isinstance(module, _DROPOUTS) and module.p > 0
    ]
    placed = _of_planes(network, in_bands, stride, names)
    for number, name in enumerate(placed):
        share = float(network.get_submodule(name).p)  # type: ignore[arg-type]
        network.set_submodule(name, SceneDropout(share, number, draw))
    return placed


def _of_planes(network: nn.Module, in_bands: int, stride: int, names: list[str]) -> list[str]:
    """Find the layers whose input are planes of the image."""
    if not names:
        return []
    weight = next(network.parameters())
    side = 4 * stride
    image = torch.zeros(1, in_bands, side, side, device=weight.device, dtype=weight.dtype)
    found: list[str] = []

    def watch(name: str) -> Any:
        def note(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if is_grid_of(inputs[0], image):
                found.append(name)

        return note

    handles = [network.get_submodule(name).register_forward_pre_hook(watch(name)) for name in names]
    try:
        with torch.inference_mode():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    return list(dict.fromkeys(found))
