"""Networks that give, of every pixel, sums over several passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from georaster_dl.models.contract import network_stride
from georaster_dl.models.package.card import Card
from georaster_dl.models.runtime.optional_bands import load_narrowed
from georaster_dl.models.zoo.ensemble import Ensemble
from georaster_dl.predict.engine.optimise import optimise_network
from georaster_dl.predict.engine.place import Place
from georaster_dl.predict.engine.rewrite.network import Rewritten
from georaster_dl.predict.predictors.choice import Member, PredictorChoice, no_dropout
from georaster_dl.predict.predictors.fields import Draw
from georaster_dl.predict.predictors.passes import (
    MemberPasses,
    Passes,
    RandomPasses,
    Rescaling,
    SymmetryPasses,
    keep_encoder,
)
from georaster_dl.predict.predictors.stochastic import make_bayesian_random, make_dropout_random
from georaster_dl.predict.predictors.sums import ClassSums, Sums, ValueSums

__all__ = ["EveryPass", "SampledNetwork", "has_dropout", "network_of_passes"]


class SampledNetwork(nn.Module):
    """Sums over the passes of a tile, as planes.

    Parameters
    ----------
    passes : module that makes them.
    begin : makes empty sums.
    stride : total down-sampling of the networks.
    """

    def __init__(self, passes: Passes, begin: Callable[[], Sums], stride: int) -> None:
        super().__init__()
        self.passes = passes
        self.stride = stride
        self._begin = begin

    def forward(self, image: Tensor, place: Place) -> Tensor:
        """Planes (N, planes, rows, cols) of images (N, bands, rows, cols)."""
        sums = self._begin()
        for planes, calibration in self.passes.each(image, place):
            sums.add(planes, calibration)
        return sums.planes()


class EveryPass(nn.Module):
    """Planes of all passes of a tile, one behind the other; as many as there are passes.

    Parameters
    ----------
    sampled : the network whose passes they are.
    """

    def __init__(self, sampled: SampledNetwork) -> None:
        super().__init__()
        self.passes = sampled.passes
        self.stride = sampled.stride

    def forward(self, image: Tensor, place: Place) -> Tensor:
        """Planes (N, passes * planes, rows, cols) of images (N, bands, rows, cols)."""
        return torch.cat([planes for planes, _ in self.passes.each(image, place)], dim=1)


def has_dropout(model: Path, card: Card) -> bool:
    """Whether the network of a package has dropout that ``mc-dropout`` can leave on."""
    network = _loaded(model, card)
    return bool(make_dropout_random(network, len(card.bands), card.stride, Draw(0)))


def network_of_passes(
    model: Path, card: Card, choice: PredictorChoice, device: torch.device
) -> SampledNetwork:
    """Load the networks of a predictor of several passes.

    Parameters
    ----------
    card : of the run: the model's, narrowed to the scene's bands, with the bands of further models behind.

    Raises
    ------
    OptionError
        When the network has no dropout of planes.
    ModelPackageError
        When a package cannot be used.
    """
    first = choice.first or card
    network = _loaded(model, first)
    stride = network_stride(network)
    passes = _passes(network, Member(model, first), card, choice, device)

    def begin() -> Sums:
        if not card.targets:
            return ClassSums()
        return ValueSums([(mean, std) for _name, mean, std in card.value_planes], card.targets)

    return SampledNetwork(passes, begin, stride).eval()


def _passes(
    network: nn.Module, first: Member, read: Card, choice: PredictorChoice, device: torch.device
) -> Passes:
    card, calibration = first.card, first.card.calibration_of(choice.kind)
    if choice.kind == "tta":
        fast = _fast(network, card, device)
        return cast("Passes", SymmetryPasses(fast, choice.symmetries, calibration))
    if choice.kind == "ensemble" and choice.members:
        return cast("Passes", _of_packages(network, first, choice.members, read, device))
    if choice.kind == "ensemble":
        members = cast("Ensemble", network).members
        fast_members = [_fast(member, card, device) for member in members]
        n = len(members)
        return cast("Passes", MemberPasses(fast_members, [None] * n, [calibration] * n))
    optimise_network(network, len(card.bands), card.stride, torch.device("cpu"))
    draw = Draw(choice.seed)
    if choice.kind == "bayesian":
        layers = make_bayesian_random(network, draw)
    else:
        layers = make_dropout_random(network, len(card.bands), card.stride, draw)
        if not layers:
            raise no_dropout(card)
    keep_encoder(network, layers)
    network = network.to(device).to(memory_format=torch.channels_last)
    fast = Rewritten(network, card.stride)
    return cast("Passes", RandomPasses(fast, draw, choice.passes, calibration))


def _of_packages(
    network: nn.Module, first: Member, others: Sequence[Member], read: Card, device: torch.device
) -> MemberPasses:
    members = [first, *others]
    networks = [network, *(_loaded(member.model, member.card) for member in others)]
    fast = [
        _fast(each, member.card, device) for each, member in zip(networks, members, strict=True)
    ]
    rescalings = [_rescaling(read, member.card) for member in members]
    return MemberPasses(fast, rescalings, [member.card.calibration for member in members])


def _loaded(model: Path, card: Card) -> nn.Module:
    return load_narrowed(model, [band.name for band in card.bands])[1]


def _fast(network: nn.Module, card: Card, device: torch.device) -> Rewritten:
    return Rewritten(optimise_network(network, len(card.bands), card.stride, device), card.stride)


def _rescaling(read: Card, own: Card) -> Rescaling | None:
    """Normalised values of a model from those of the run; None where it takes the image as it is."""
    names = [band.name for band in read.bands]
    places = tuple(names.index(band.name) for band in own.bands)
    pairs = [(read.bands[place], band) for place, band in zip(places, own.bands, strict=True)]
    alike = all((one.mean, one.std) == (another.mean, another.std) for one, another in pairs)
    if alike and places == tuple(range(len(names))):
        return None
    return Rescaling(
        places,
        tuple(one.std / another.std for one, another in pairs),
        tuple((one.mean - another.mean) / another.std for one, another in pairs),
    )
