"""Ensembles of networks: the mean, and for quantities the spread of the members."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError, UnknownModelError
from georaster_dl.models.contract import network_stride
from georaster_dl.models.registry import NetworkSpec, create_model

__all__ = ["Ensemble", "ensemble_of"]

_MOST_MEMBERS = 64


class Ensemble(nn.Module):
    """Networks of one architecture that differ in the random numbers of their training (Lakshminarayanan et al. 2017).

    Parameters
    ----------
    members : networks with the same planes and stride.
    spread : whether the planes are quantities: then come their means and behind them their standard
        deviations over the members (0 for one member); else they are logits of classes, and the
        logarithms of the mean probabilities come out, which are logits, too.

    Attributes
    ----------
    stride : total down-sampling, that of the members.
    feature_layer : name of the part whose output are the planes of all members.
    """

    feature_layer = "decoder"

    def __init__(self, members: list[nn.Module], *, spread: bool) -> None:
        super().__init__()
        self.stride = network_stride(members[0])
        self.encoder = _Members(members)
        self.decoder = nn.Identity()
        self.segmentation_head = _Mean(len(members), spread=spread)

    @property
    def members(self) -> list[nn.Module]:
        """The networks."""
        return list(self.encoder.members)

    def forward(self, image: Tensor) -> Tensor:
        """Planes (N, planes, rows, cols) of an image (N, bands, rows, cols)."""
        planes: Tensor = self.segmentation_head(self.decoder(self.encoder(image)))
        return planes


class _Members(nn.Module):
    """Concatenate the planes of all members: (N, members * planes, rows, cols)."""

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([member(image) for member in self.members], 1)


class _Mean(nn.Module):
    gives_boundaries = False

    def __init__(self, members: int, *, spread: bool) -> None:
        super().__init__()
        self._members = members
        self._spread = spread

    def forward(self, planes: Tensor) -> Tensor:
        each = torch.stack(planes.chunk(self._members, 1))
        if self._spread:
            return torch.cat([each.mean(0), each.std(0, correction=0)], 1)
        classes = each[:, :, :-1] if self.gives_boundaries else each
        total: Tensor = classes.log_softmax(2).logsumexp(0) - math.log(self._members)
        # Logits of boundaries are averaged as they are.
        return torch.cat([total, each[:, :, -1:].mean(0)], 1) if self.gives_boundaries else total


def ensemble_of(spec: NetworkSpec) -> Ensemble:
    """Build an ensemble; the options of its members are checked where these are built.

    Raises
    ------
    OptionError
        When the member is an ensemble itself or has optional bands, or options or planes do not fit.
    """
    options = dict(spec.options)
    member, members, spread = (options.pop(key) for key in ("member", "members", "spread"))
    if spec.encoder_weights is not None:
        raise UnknownModelError(
            f"The architecture 'ensemble' has no pretrained weights {spec.encoder_weights!r}; start from "
            f"random ones (`start.weights='random'`) or from a model file."
        )
    named = isinstance(member, str) and member != spec.architecture
    if not named or type(spread) is not bool or not _counts(members):
        raise OptionError(
            f"The architecture 'ensemble' takes another architecture as member, 1 to {_MOST_MEMBERS} members, "
            f"and true or false as spread, but got {member!r}, {members!r} and {spread!r}."
        )
    if options.get("optional_bands"):
        raise OptionError(
            "The members of an ensemble need all of their bands, but optional_bands is true; leave it out."
        )
    if spread and spec.n_classes % 2:
        raise OptionError(
            f"An ensemble with spread gives two planes for each quantity, but {spec.n_classes} are asked for."
        )
    member_options = {key: value for key, value in options.items() if value is not None}
    if options.get("head") == "fractions" and not spread:
        raise OptionError(
            "An ensemble averages fractions as values and not as logits; give it spread=true."
        )
    planes = spec.n_classes // 2 if spread else spec.n_classes
    networks = [
        create_model(
            member,
            in_bands=spec.in_bands,
            n_classes=planes,
            encoder=spec.encoder,
            wavelengths_nm=spec.wavelengths_nm,
            modalities=spec.modalities,
            **member_options,
        )
        for _ in range(members)
    ]
    return Ensemble(networks, spread=spread)


def _counts(members: object) -> bool:
    return type(members) is int and 1 <= members <= _MOST_MEMBERS
