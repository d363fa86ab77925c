"""What a run makes of a network's planes: a map of classes, or one of a quantity."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.io.output.statistics import BandStatistics
from georaster_dl.io.output.view_style import style_by_values
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.models.package.card import Card
from georaster_dl.predict.options import Findings, Values
from georaster_dl.render.qml import write_class_style, write_ramp_style

__all__ = ["Kind", "Layer", "Task", "task_of"]

Kind = Literal["map", "probabilities", "confidence", "uncertainty", "features", "error", "scene"]

# Probabilities as whole numbers: 250 steps leave 255 for nodata and make the scale a round 0.004.
_STEPS = 250
_UINT8_NODATA = 255


@dataclass(frozen=True)
class Layer:
    """One raster of a run.

    Attributes
    ----------
    spec : how it is stored, but for what all rasters of a run share.
    nodata : value where nothing is predicted.
    render, from_logits : as the engine's ``Product`` has them.
    style : given the finished file, makes programs show it with names and colours.
    seen : called with each finished block, (bands, rows, cols).
    """

    spec: RasterSpec
    nodata: float
    render: Callable[[Tensor], Tensor]
    style: Callable[[Path], None]
    from_logits: bool = False
    seen: Callable[[npt.NDArray[Any]], None] = lambda _block: None


class Task(Protocol):
    """What the planes of a network mean; one object for one run.

    Attributes
    ----------
    fastest : whether ``--precision auto`` may take fewer digits than float32 has. bf16 has 8
        significant bits, so values would come in steps of up to a 64th of their standard deviation;
        a class hardly ever hangs on that.
    """

    fastest: bool

    def activate(self, planes: Tensor) -> Tensor:
        """The network's planes (planes, rows, cols) as float32 that may be mixed."""

    def layer(self, kind: Kind) -> Layer:
        """The raster of this kind."""

    def findings(self) -> Findings:
        """What the blocks seen so far hold."""


def task_of(card: Card, *, float32: bool) -> Task:
    """The task of a model; probabilities are stored as float32 or as scaled uint8."""
    if card.targets:
        return _Regression(card)
    if not card.classes:
        raise OptionError(
            f"{card.name} predicts {card.predicts}, which is no map; use geodl features, geodl denoise "
            f"or geodl cluster."
        )
    return _Segmentation(card.legend, card.calibration.temperature, small=not float32)


class _Segmentation:
    """Planes are logits of classes."""

    fastest = True

    def __init__(self, legend: Legend, temperature: float, *, small: bool) -> None:
        self._legend = legend
        self._temperature = temperature
        self._small = small
        self._counts = np.zeros(legend.nodata + 1, np.int64)

    def activate(self, planes: Tensor) -> Tensor:
        return torch.softmax(planes.float() / self._temperature, dim=0)

    def layer(self, kind: Kind) -> Layer:
        if kind == "map":
            return self._map()
        small = self._small
        nodata = _UINT8_NODATA if small else math.nan
        spec = RasterSpec(
            names=self._legend.names if kind == "probabilities" else [kind],
            dtype="uint8" if small else "float32",
            nodata=nodata,
            overview="average",
            scale=1 / _STEPS if small else None,
        )
        render = partial(_SHARES[kind], small=small)
        return Layer(spec, nodata, render, partial(write_ramp_style, minimum=0.0, maximum=1.0))

    def _map(self) -> Layer:
        legend = self._legend
        spec = RasterSpec(
            names=["land cover"],
            dtype=legend.dtype,
            nodata=legend.nodata,
            overview="mode",
            legend=legend,
        )
        return Layer(
            spec,
            legend.nodata,
            partial(_classes, legend=legend),
            partial(write_class_style, legend=legend),
            from_logits=True,
            seen=self._count,
        )

    def _count(self, block: npt.NDArray[Any]) -> None:
        self._counts += np.bincount(block.ravel(), minlength=self._counts.size)

    def findings(self) -> Findings:
        counts = {c.name: int(self._counts[c.value]) for c in self._legend.classes}
        return Findings(sum(counts.values()), counts=counts)


class _Regression:
    """Planes are quantities in standard deviations from their means, behind them their spreads.

    A raster has a band for each quantity, and one more for each whose interval is known: half of
    the interval's width.
    """

    fastest = False

    def __init__(self, card: Card) -> None:
        self._targets = card.targets
        self._spreads = card.gives_spread
        self._lines = [(mean, std) for _name, mean, std in card.value_planes]
        self._seen = BandStatistics(len(self._names()))

    def _names(self) -> list[str]:
        known = [(t.name, t.interval.level) for t in self._targets if t.interval is not None]
        one_unit = len({target.unit for target in self._targets}) == 1
        return [
            *(target.name if one_unit else target.label for target in self._targets),
            *(f"{name}, half width of the {level:.0%} interval" for name, level in known),
        ]

    def activate(self, planes: Tensor) -> Tensor:
        lines = torch.tensor(self._lines, device=planes.device)[:, :, None, None]
        return planes.float() * lines[:, 1] + lines[:, 0]

    def layer(self, kind: Kind) -> Layer:
        if kind != "map":
            raise OptionError(
                f"A model of {self._targets[0].name}, a quantity, has no {kind}; leave --{kind} out."
            )
        units = {target.unit for target in self._targets}
        spec = RasterSpec(
            names=self._names(),
            dtype="float32",
            nodata=math.nan,
            overview="average",
            unit=units.pop() if len(units) == 1 else "",
        )
        return Layer(spec, math.nan, self._with_intervals, style_by_values, seen=self._seen.add)

    def _with_intervals(self, values: Tensor) -> Tensor:
        """Values (targets, rows, cols) and the half widths that are known behind them."""
        n = len(self._targets)
        made = [values[:n]]
        for index, target in enumerate(self._targets):
            if target.interval is not None:
                spread = values[n + index] if self._spreads else torch.zeros_like(values[index])
                floor = values.new_tensor(target.interval.floor)
                made.append((target.interval.factor * torch.hypot(spread, floor))[None])
        return torch.cat(made)

    def findings(self) -> Findings:
        pixels = int(self._seen.count[0])
        if not pixels:
            return Findings(0)
        seen = zip(self._seen.mean, self._seen.minimum, self._seen.maximum, strict=True)
        values = {
            target.label: Values(*map(float, of_band))
            for target, of_band in zip(self._targets, seen, strict=False)
        }
        return Findings(pixels, values=values)


def _classes(scores: Tensor, *, legend: Legend) -> Tensor:
    """Value of the most probable class, (1, rows, cols)."""
    index = scores.argmax(dim=0, keepdim=True)
    if legend.values != list(range(len(legend.values))):
        index = torch.tensor(legend.values, device=index.device)[index]
    return index.to(torch.uint8 if legend.dtype == "uint8" else torch.uint16)


def _best(probabilities: Tensor, *, small: bool) -> Tensor:
    """Probability of the mapped class, (1, rows, cols)."""
    return _stored(probabilities.amax(dim=0, keepdim=True), small=small)


def _every(probabilities: Tensor, *, small: bool) -> Tensor:
    """All probabilities, (classes, rows, cols)."""
    return _stored(probabilities, small=small)


def _entropy(probabilities: Tensor, *, small: bool) -> Tensor:
    """Entropy of the probabilities over the logarithm of their number, (1, rows, cols).

    0 where one class is certain, 1 where all are equally probable: predictive entropy (Gal 2016,
    3.3) on a scale that does not depend on how many classes a model has.
    """
    entropy = torch.special.entr(probabilities).sum(dim=0, keepdim=True)
    # Rounding may take a uniform distribution beyond 1, and one class alone has nothing to doubt.
    share = entropy.div_(math.log(max(len(probabilities), 2))).clamp_(max=1.0)
    return _stored(share, small=small)


def _stored(share: Tensor, *, small: bool) -> Tensor:
    # A copy in either case: nodata is written into it.
    return share.mul(_STEPS).round_().to(torch.uint8) if small else share.clone()


# What else can be told of the probabilities: each is a share between 0 and 1.
_SHARES: dict[Kind, Callable[..., Tensor]] = {
    "probabilities": _every,
    "confidence": _best,
    "uncertainty": _entropy,
}
