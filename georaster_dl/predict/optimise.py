"""Make a network fast for inference without changing what it computes."""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_batch_norm", "prepare"]


def prepare(network: nn.Module, in_bands: int, stride: int, device: torch.device) -> nn.Module:
    """Copy of the network for inference: eval, BatchNorm folded, channels_last, on the device."""
    folded = fold_batch_norm(network, in_bands, stride)
    return folded.to(device).to(memory_format=torch.channels_last)


def fold_batch_norm(network: nn.Module, in_bands: int, stride: int) -> nn.Module:
    """Copy of the network with every BatchNorm that directly follows a convolution folded into it.

    Which follows which is seen by running the network once, so any architecture works. A network
    whose output changes by more than rounding (say, because a convolution's output is used twice)
    is returned unfolded.
    """
    network = copy.deepcopy(network).eval()
    # Offset from zero and not symmetric, so that a wrong fold cannot hide.
    probe = (
        torch.linspace(-1, 2, in_bands * (4 * stride) ** 2)
        .sin()
        .reshape(1, in_bands, 4 * stride, -1)
    )
    with torch.inference_mode():
        expected, pairs = _traced(network, probe)
    folded = copy.deepcopy(network)
    for convolution, norm in pairs:
        conv = cast("nn.Conv2d", folded.get_submodule(convolution))
        bn = cast("nn.BatchNorm2d", folded.get_submodule(norm))
        folded.set_submodule(convolution, fuse_conv_bn_eval(conv, bn))
        folded.set_submodule(norm, nn.Identity())
    with torch.inference_mode():
        difference = (folded(probe) - expected).abs().max()
    return folded if difference <= 1e-4 * expected.abs().max() else network


def _traced(network: nn.Module, probe: Tensor) -> tuple[Tensor, list[tuple[str, str]]]:
    """Output on the probe, and names of (convolution, BatchNorm) where one feeds the other."""
    # The tensors are kept until the end: identity is by object, and a freed one may come again.
    made_by: dict[int, tuple[str, Tensor]] = {}
    pairs: list[tuple[str, str]] = []
    handles = []

    def watch_convolution(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            made_by[id(output)] = (name, output)

        return hook

    def watch_norm(name: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
            if id(inputs[0]) in made_by:
                pairs.append((made_by[id(inputs[0])][0], name))

        return hook

    for name, module in network.named_modules():
        if type(module) is nn.Conv2d:
            handles.append(module.register_forward_hook(watch_convolution(name)))
        elif type(module) is nn.BatchNorm2d:
            handles.append(module.register_forward_hook(watch_norm(name)))
    try:
        output: Tensor = network(probe)
    finally:
        for handle in handles:
            handle.remove()
    return output, pairs
