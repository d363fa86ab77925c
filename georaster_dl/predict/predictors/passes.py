"""Passes over a tile: with dropout, of the image turned and mirrored, by several networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from georaster_dl.models.package.calibration import Calibration
from georaster_dl.predict.engine.place import Place
from georaster_dl.predict.engine.rewrite.network import Rewritten
from georaster_dl.predict.predictors.fields import Draw

__all__ = [
    "MemberPasses",
    "Passes",
    "RandomPasses",
    "Rescaling",
    "SymmetryPasses",
    "keep_encoder",
]


class Passes(Protocol):
    """A module that runs over a batch of images several times."""

    def each(self, image: Tensor, place: Place) -> Iterator[tuple[Tensor, Calibration]]:
        """Yield the planes (N, planes, rows, cols) of each pass, and their calibration."""


class RandomPasses(nn.Module):
    """Passes of a network with random layers.

    Parameters
    ----------
    network : whose random layers draw by ``draw``; what lies before the first of them is computed
        once a tile where ``keep_encoder`` was able to arrange that.
    passes : number of them.
    """

    def __init__(
        self, network: Rewritten, draw: Draw, passes: int, calibration: Calibration
    ) -> None:
        super().__init__()
        self.network = network
        self._draw = draw
        self._passes = passes
        self._calibration = calibration

    def each(self, image: Tensor, place: Place) -> Iterator[tuple[Tensor, Calibration]]:
        """Yield the planes of each pass."""
        self._draw.origins, self._draw.shape = place.origins, (image.shape[2], image.shape[3])
        for planes in self.network.each(image, self._numbered()):
            yield planes, self._calibration
        for module in self.network.modules():
            if isinstance(module, _Kept):
                module.forget()

    def _numbered(self) -> Iterator[int]:
        """Count the passes, for the random layers."""
        for number in range(self._passes):
            self._draw.number = number
            yield number


def keep_encoder(network: nn.Module, random: Sequence[str]) -> None:
    """Let the encoder of a network give its features once for all passes, if none of its layers is random.

    Parameters
    ----------
    random : names of the network's random layers.
    """
    encoder = getattr(network, "encoder", None)
    if isinstance(encoder, nn.Module) and not any(name.startswith("encoder.") for name in random):
        network.encoder = _Kept(encoder)


class _Kept(nn.Module):
    """Encoder with a memory of its features for the passes over one image."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.output_stride = getattr(encoder, "output_stride", None)
        self._image: Tensor | None = None
        self._made: Any = None

    def forward(self, image: Tensor, *more: Any) -> Any:
        if self._image is not image:
            self._image, self._made = image, self.encoder(image, *more)
        # Lists are copied: a decoder may take its features out of them.
        return list(self._made) if isinstance(self._made, list) else self._made

    def forget(self) -> None:
        self._image = self._made = None


@dataclass(frozen=True)
class _Symmetry:
    """Symmetry of a square: flips along axes, then a transposition."""

    transposed: bool
    flipped: tuple[int, ...]

    def of(self, image: Tensor) -> Tensor:
        turned = image.flip(self.flipped) if self.flipped else image
        return turned.mT if self.transposed else turned

    def back(self, planes: Tensor) -> Tensor:
        turned = planes.mT if self.transposed else planes
        return turned.flip(self.flipped) if self.flipped else turned


_FLIPS = tuple(_Symmetry(False, axes) for axes in ((), (2,), (3,), (2, 3)))
_SYMMETRIES = {
    "flip": _FLIPS,
    "d4": (*_FLIPS, *(_Symmetry(True, each.flipped) for each in _FLIPS)),
}


class SymmetryPasses(nn.Module):
    """Passes of a network over an image and its mirror images; test-time augmentation.

    Parameters
    ----------
    symmetries : ``flip``, the image mirrored along either axis and both; ``d4``, these and the same
        transposed, all eight symmetries of a square.
    """

    def __init__(self, network: nn.Module, symmetries: str, calibration: Calibration) -> None:
        super().__init__()
        self.network = network
        self._symmetries = _SYMMETRIES[symmetries]
        self._calibration = calibration

    def each(self, image: Tensor, place: Place) -> Iterator[tuple[Tensor, Calibration]]:
        """Yield the planes of each pass, turned back."""
        for symmetry in self._symmetries:
            turned = symmetry.of(image).contiguous(memory_format=torch.channels_last)
            yield symmetry.back(self.network(turned)), self._calibration


@dataclass(frozen=True)
class Rescaling:
    """A network's bands of an image, with gain and bias from the image's normalised values to its own."""

    places: tuple[int, ...]
    gain: tuple[float, ...]
    bias: tuple[float, ...]

    def of(self, image: Tensor, valid: Tensor) -> Tensor:
        """Normalise anew; pixels without a measurement are the mean again."""
        gain = torch.tensor(self.gain, device=image.device)[:, None, None]
        bias = torch.tensor(self.bias, device=image.device)[:, None, None]
        return (image[:, list(self.places)] * gain + bias).masked_fill_(~valid, 0.0)


class MemberPasses(nn.Module):
    """One pass of each of several networks.

    Parameters
    ----------
    members : the networks.
    rescalings : of each; None where it takes the image as it is.
    calibrations : of each.
    """

    def __init__(
        self,
        members: Sequence[nn.Module],
        rescalings: Sequence[Rescaling | None],
        calibrations: Sequence[Calibration],
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self._rescalings = rescalings
        self._calibrations = calibrations

    def each(self, image: Tensor, place: Place) -> Iterator[tuple[Tensor, Calibration]]:
        """Yield the planes of each member."""
        parts = zip(self.members, self._rescalings, self._calibrations, strict=True)
        for member, rescaling, calibration in parts:
            own = image if rescaling is None else rescaling.of(image, place.valid)
            yield member(own), calibration
