"""Features of pixels: the output of a hidden layer as the output of the network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import nearest_names
from georaster_dl.models.contract import HEAD, feature_layer, network_stride, outer_parts

__all__ = ["FeatureNetwork", "is_grid_of"]


class FeatureNetwork(nn.Module):
    """A network whose output is the output of a chosen layer.

    Planes of a layer that is coarser than the image are repeated, pixel by pixel, up to its size.

    Parameters
    ----------
    network : any of the registry's.
    layer : dotted name of a submodule; None takes the one that the network calls its features
        (its attribute ``feature_layer``), or else what enters its segmentation head.
    error : adds a plane, the root of the mean square over bands of output minus input, for networks
        that give their input back.

    Attributes
    ----------
    layer : whose planes these are, in words.
    features : how many planes the layer has.
    stride : total down-sampling of the network.

    Raises
    ------
    OptionError
        When there is no such layer, or its output is not planes of the image.
    """

    def __init__(
        self, network: nn.Module, in_bands: int, layer: str | None = None, *, error: bool = False
    ) -> None:
        super().__init__()
        self.network = network
        self.stride = network_stride(network)
        self._name = layer or feature_layer(network)
        # What enters the head: what leaves it are the classes.
        self._entering = layer is None and self._name == HEAD
        self._error = error
        self.layer = f"input of {HEAD}" if self._entering else self._name
        if self._name not in dict(network.named_modules()):
            raise OptionError(
                f"The network has no layer {self._name!r}{nearest_names(self._name, _names(network))}; "
                f"its parts are {outer_parts(network)}."
            )
        self.features = self._planes(in_bands)

    def forward(self, image: Tensor) -> Tensor:
        """(N, features, rows, cols), and the error as one plane more, of (N, bands, rows, cols)."""
        kept, output = self.watched(image)
        if not self._error:
            return kept
        # In float32: squares of small differences have no digits left in half precision.
        wrong = (output.float() - image.float()).square().mean(dim=1, keepdim=True).sqrt()
        return torch.cat([kept.float(), wrong], dim=1)

    def watched(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Planes of the layer at the image's size, and the network's output."""
        captured: list[Any] = []
        module = self.network.get_submodule(self._name)
        # Hooked for this pass only: a network is copied, and its layers are exchanged, in between.
        handle = (
            module.register_forward_pre_hook(lambda _module, inputs: captured.append(inputs[0]))
            if self._entering
            else module.register_forward_hook(lambda _module, _inputs, out: captured.append(out))
        )
        try:
            output: Tensor = self.network(image)
        finally:
            handle.remove()
        planes = captured[-1] if captured else None
        if not isinstance(planes, Tensor) or not is_grid_of(planes, image):
            raise OptionError(
                f"The layer {self._name!r} gives {_shape(planes)} of an image of {_shape(image)}, but "
                f"planes of it are needed; its parts are {outer_parts(self.network)}."
            )
        if planes.shape[2:] != image.shape[2:]:
            planes = nn.functional.interpolate(planes, size=image.shape[2:], mode="nearest")
        return planes, output

    def _planes(self, in_bands: int) -> int:
        side = 4 * self.stride
        training = self.network.training
        weight = next(w for w in self.network.state_dict().values() if w.is_floating_point())
        with torch.inference_mode():
            self.network.eval()
            image = torch.zeros(1, in_bands, side, side, device=weight.device, dtype=weight.dtype)
            count = int(self.watched(image)[0].shape[1])
        self.network.train(training)
        return count


def is_grid_of(planes: Tensor, image: Tensor) -> bool:
    """Check whether planes are as large as the image, or a whole number of times coarser."""
    if planes.ndim != 4:
        return False
    (rows, cols), (n_rows, n_cols) = image.shape[2:], planes.shape[2:]
    return rows % n_rows == 0 and cols % n_cols == 0 and rows // n_rows == cols // n_cols


def _shape(output: object) -> str:
    return str(tuple(output.shape)) if isinstance(output, Tensor) else f"a {type(output).__name__}"


def _names(network: nn.Module) -> list[str]:
    return [name for name, _ in network.named_modules() if name]
