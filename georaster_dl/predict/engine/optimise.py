"""Faster networks for inference, with the same outputs."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_batch_norm", "optimise_network"]


def optimise_network(
    network: nn.Module, in_bands: int, stride: int, device: torch.device
) -> nn.Module:
    """Make the network ready for inference: eval, BatchNorm folded, channels_last, on the device.

    The network itself is changed and returned; a second copy of the weights would be wasted.
    """
    fold_batch_norm(network.eval(), in_bands, stride)
    return network.to(device).to(memory_format=torch.channels_last)


def fold_batch_norm(network: nn.Module, in_bands: int, stride: int) -> None:
    """Fold every BatchNorm that directly follows a convolution into it, in place.

    Which follows which is seen by running the network once, so any architecture works. A network
    whose output would change by more than rounding (say, because a convolution's output is used
    twice) is left as it was.
    """
    side = 4 * stride
    # Neither symmetric nor centred on zero, so that a wrong fold cannot hide.
    probe = torch.linspace(-1, 2, in_bands * side**2).mul(7).sin().reshape(1, in_bands, side, side)
    with torch.inference_mode():
        expected, pairs = _traced(network, probe)
    replaced: dict[str, nn.Module] = {}
    for convolution, norm in pairs:
        conv = cast("nn.Conv2d", network.get_submodule(convolution))
        bn = cast("nn.BatchNorm2d", network.get_submodule(norm))
        replaced |= {convolution: conv, norm: bn}
        network.set_submodule(convolution, fuse_conv_bn_eval(conv, bn))
        network.set_submodule(norm, nn.Identity())
    with torch.inference_mode():
        difference = (network(probe) - expected).abs().max()
    if difference > 1e-4 * expected.abs().max():
        for name, module in replaced.items():
            network.set_submodule(name, module)


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
