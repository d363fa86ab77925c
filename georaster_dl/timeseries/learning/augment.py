"""Augmentation of training series: fewer dates, other days, noise, seasons that are not over, turned patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import Dated

__all__ = ["SeriesAugmentation", "turn", "turn_back"]


@dataclass(frozen=True)
class SeriesAugmentation:
    """Strengths of the random changes of series; 0 leaves a change out.

    Attributes
    ----------
    dropout : largest share of the dates of a sample that is taken away, as clouds do; each sample has a share
        of its own.
    shift : standard deviation of the days by which all dates of a sample are moved.
    noise : standard deviation of white noise, in standard deviations of a band.
    early : share of the samples that end on a random day of their season.
    turn : share of the patches that are turned by quarters or mirrored; other units have no sides.

    Raises
    ------
    OptionError
        When a strength is negative or no number, or a share above 1.
    """

    dropout: float = 0.0
    shift: float = 0.0
    noise: float = 0.0
    early: float = 0.0
    turn: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            strength = getattr(self, field.name)
            most = 1 if field.name in ("dropout", "early", "turn") else float("inf")
            if not 0 <= strength <= most or strength == float("inf"):
                raise OptionError(
                    f"The augmentation {field.name} must be at least 0{' and at most 1' if most == 1 else ''}, but got "
                    f"{strength}; 0 leaves it out."
                )

    @classmethod
    def of(cls, augment: bool | Mapping[str, float], *, early: bool) -> SeriesAugmentation:
        """Make it from True (the usual strengths), False (none), or the strengths by name.

        Parameters
        ----------
        early : whether half of the samples end early, unless the strength is named.

        Raises
        ------
        OptionError
            When a name is none of the kinds.
        """
        given = dict(_USUAL if augment is True else {} if augment is False else augment)
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise OptionError(
                f"No augmentation of series is named {unknown[0]!r}; known are {', '.join(known)}."
            )
        return cls(**({"early": _EARLY} if early else {}) | given)

    def turns(self, n: int) -> Tensor:
        """Draw which of the 8 turns of a square, 0 to 7, each of n patches takes; 0 leaves it as it is."""
        return torch.randint(8, (n,)) * (torch.rand(n) < self.turn)

    def apply(self, sensors: Sequence[Dated]) -> list[Dated]:
        """Change the series of a batch at random; all sensors of a sample are moved and cut alike."""
        n = len(sensors[0].days)
        moved = self.shift * torch.randn(n, 1)
        lost = self.dropout * torch.rand(n, 1)
        last = _last_days(sensors, self.early)
        return [self._changed(series, moved, lost, last) for series in sensors]

    def _changed(self, series: Dated, moved: Tensor, lost: Tensor, last: Tensor) -> Dated:
        values, days, valid = series
        kept = (torch.rand(days.shape) >= lost) & (days <= last)
        valid = valid & kept.reshape(*kept.shape, *[1] * (valid.ndim - 2))
        if self.noise:
            values = values + self.noise * torch.randn(values.shape)
        return Dated(values, days + moved, valid)


_USUAL = {"dropout": 0.3, "shift": 5.0, "noise": 0.05, "turn": 1.0}
_EARLY = 0.5


def turn(images: Tensor, turns: Tensor) -> Tensor:
    """Turn or mirror each of the images (N, ..., side, side)."""
    turned = []
    for image, number in zip(images, turns.tolist(), strict=True):
        mirrored = image.flip(_mirrored(number))
        turned.append(mirrored.mT if number & 4 else mirrored)
    return torch.stack(turned)


def turn_back(images: Tensor, turns: Tensor) -> Tensor:
    """Undo ``turn``."""
    turned = []
    for image, number in zip(images, turns.tolist(), strict=True):
        upright = image.mT if number & 4 else image
        turned.append(upright.flip(_mirrored(number)))
    return torch.stack(turned)


def _mirrored(number: int) -> list[int]:
    return [axis for bit, axis in ((1, -1), (2, -2)) if number & bit]


def _last_days(sensors: Sequence[Dated], early: float) -> Tensor:
    """(N, 1) last day of each sample that is seen; infinite where the season is not cut off."""
    n = len(sensors[0].days)
    if not early:
        return torch.full((n, 1), torch.inf)
    days = torch.cat([series.days for series in sensors], 1)
    dated = torch.cat(
        [s.valid if s.valid.ndim == 2 else s.valid.flatten(2).any(2) for s in sensors], 1
    )
    first = days.where(dated, torch.inf).amin(1, keepdim=True)
    end = days.where(dated, -torch.inf).amax(1, keepdim=True)
    cut = first + (end - first) * torch.rand(n, 1)
    return cut.where((torch.rand(n, 1) < early) & dated.any(1, keepdim=True), torch.inf)
