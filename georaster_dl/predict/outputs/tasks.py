"""Rasters made of the channels of a segmentation or regression network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.io.output.statistics import BandStatistics
from georaster_dl.io.output.view_style import style_by_values
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.values import Interval
from georaster_dl.models.runtime.probabilities import class_probabilities
from georaster_dl.predict.options import Findings, SegmentOptions, Values
from georaster_dl.predict.outputs.kinds import (
    EXTRA_OUTPUTS,
    FractionRaster,
    SetRaster,
    UncertaintyRaster,
    map_spec,
    stored_fractions,
)
from georaster_dl.predict.outputs.output_raster import (
    ClassCounts,
    OutputRaster,
    class_raster,
    value_raster,
)
from georaster_dl.predict.outputs.rejection import Rejection
from georaster_dl.predict.predictors.choice import measured_calibration
from georaster_dl.predict.predictors.sums import class_measures
from georaster_dl.render.qml import write_ramp_style, write_size_style

__all__ = ["Task", "task_of"]


class Task(Protocol):
    """Meaning of a network's channels; an object is for a single run.

    Attributes
    ----------
    fastest : whether ``--precision auto`` may take fewer digits than float32 has. bf16 has 8
        significant bits, so values would come in steps of up to a 64th of their standard deviation;
        a class hardly ever hangs on that.
    """

    fastest: bool

    def activate(self, channels: Tensor) -> Tensor:
        """Convert the network's channels (channels, rows, cols) to float32 that may be blended."""

    def raster(self, kind: str) -> OutputRaster[Tensor]:
        """Make the raster of this kind."""

    def findings(self) -> Findings:
        """Summarise the blocks that were written so far."""


def task_of(card: Card, options: SegmentOptions) -> Task:
    """Choose the task of a model and a run."""
    if card.targets:
        return (_MeanValues if options.several_passes else _Regression)(card, options)
    if not card.classes:
        raise OptionError(
            f"{card.name} predicts {card.predicts}, which is no map; use `features()`, `denoise()` or `cluster()`."
        )
    return (_MeanClasses if options.several_passes else _Segmentation)(card, options)


class _Segmentation:
    """Rasters of classes, whose logits are the channels."""

    fastest = True

    def __init__(self, card: Card, options: SegmentOptions) -> None:
        self._card = card
        self._options = options
        self._rejection = Rejection.of(card, options)
        self._counts = ClassCounts(self._rejection.legend if self._rejection else card.legend)

    def activate(self, channels: Tensor) -> Tensor:
        return class_probabilities(channels, self._card.calibration)

    def raster(self, kind: str) -> OutputRaster[Tensor]:
        if kind == "map":
            return self._map()
        fraction = EXTRA_OUTPUTS[kind]
        if isinstance(fraction, SetRaster):
            return self._sets(fraction)
        if not isinstance(fraction, FractionRaster):
            raise OptionError(f"{kind} is no raster of a model of classes.")
        spec = fraction.spec(self._card, self._options)
        render = partial(fraction.render, float32=self._options.float32)
        style = partial(write_ramp_style, minimum=0.0, maximum=1.0)
        return OutputRaster(spec, render, style)

    def _map(self) -> OutputRaster[Tensor]:
        legend, rejection = self._counts.legend, self._rejection
        spec = map_spec(self._card, legend)
        if rejection is not None:
            spec = replace(spec, tags=rejection.tags)
            render = partial(_values, choose=rejection.indexes, legend=legend)
            return class_raster(spec, render, self._counts)
        render = partial(_values, choose=_most_probable, legend=legend)
        # Vector scaling may make another class the most probable one.
        alike = not self._card.calibration.gain
        return class_raster(spec, render, self._counts, from_logits=alike)

    def _sets(self, kind: SetRaster) -> OutputRaster[Tensor]:
        card, level = self._card, self._options.level
        score = measured_calibration(card, self._options, "sets").largest_score(level)
        tags = {"GEORASTER_DL_SETS": f"level={level:g} score={score:.6g}"}
        spec = replace(kind.spec(card, self._options), tags=tags)
        style = partial(write_size_style, largest=len(card.classes), band=len(spec.names))
        return OutputRaster(spec, partial(kind.render, largest_score=score), style)

    def findings(self) -> Findings:
        counts, rejection = self._counts.by_name(), self._rejection
        rejected = None if rejection is None else rejection.found(counts)
        return Findings(sum(counts.values()), counts=counts, rejected=rejected)


class _MeanClasses(_Segmentation):
    """Rasters of classes, whose mean probabilities are the first channels, and two sums behind them."""

    def activate(self, channels: Tensor) -> Tensor:
        return channels.float()

    def raster(self, kind: str) -> OutputRaster[Tensor]:
        uncertainty = EXTRA_OUTPUTS.get(kind)
        if isinstance(uncertainty, UncertaintyRaster):
            spec = uncertainty.spec(self._card, self._options)
            style = partial(write_ramp_style, minimum=0.0, maximum=1.0)
            return OutputRaster(spec, partial(self._measures, uncertainty), style)
        raster = super().raster(kind)
        return replace(raster, render=partial(_of_shares, render=raster.render))

    def _measures(self, kind: UncertaintyRaster, channels: Tensor) -> Tensor:
        return kind.store(class_measures(channels), float32=self._options.float32)


def _of_shares(channels: Tensor, *, render: Callable[[Tensor], Tensor]) -> Tensor:
    return render(channels[:-2])


class _Regression:
    """Raster of quantities, or of fractions; the channels are standardised values, and behind them their spreads.

    A raster has a band for each quantity, and one more for each whose interval is known: half of
    the interval's width.
    """

    fastest = False

    def __init__(self, card: Card, options: SegmentOptions) -> None:
        self._targets = card.targets
        self._are_fractions = card.task == "fractions"
        self._spec = map_spec(card, float32=options.float32)
        self._spreads = card.gives_spread
        self._lines = [(mean, std) for _name, mean, std in card.value_planes]
        self._seen = BandStatistics(len(self._spec.names))

    def activate(self, channels: Tensor) -> Tensor:
        lines = torch.tensor(self._lines, device=channels.device)[:, :, None, None]
        return channels.float() * lines[:, 1] + lines[:, 0]

    def raster(self, kind: str) -> OutputRaster[Tensor]:
        if kind != "map":
            raise OptionError(
                f"A model of {self._targets[0].name}, a quantity, has no {kind}; leave `{kind}=...` out."
            )
        if not self._are_fractions:
            return value_raster(self._spec, self._with_intervals, self._seen.add)
        style = partial(write_ramp_style, minimum=0.0, maximum=1.0)
        return OutputRaster(self._spec, self._fractions, style, self._see_fractions)

    def _fractions(self, values: Tensor) -> Tensor:
        """Fractions (targets, rows, cols) and half widths as the raster stores them."""
        shares = self._with_intervals(values).clamp_(0, 1)
        return stored_fractions(shares, float32=self._spec.scale is None)

    def _see_fractions(self, block: npt.NDArray[Any]) -> None:
        scale = self._spec.scale
        values = (
            block if scale is None else np.where(block == self._spec.nodata, np.nan, block * scale)
        )
        self._seen.add(values)

    def _with_intervals(self, values: Tensor) -> Tensor:
        """Values (targets, rows, cols) and the half widths that are known behind them."""
        n = len(self._targets)
        made = [values[:n]]
        for index, target in enumerate(self._targets):
            if target.interval is not None:
                spread = values[n + index] if self._spreads else torch.zeros_like(values[index])
                made.append(_half_width(target.interval, spread)[None])
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


class _MeanValues(_Regression):
    """Rasters of quantities or fractions; the channels are their means over several passes, and the variances."""

    def __init__(self, card: Card, options: SegmentOptions) -> None:
        super().__init__(card, options)
        self._card = card
        self._spreads = True

    def activate(self, channels: Tensor) -> Tensor:
        # A spread can be blended with its neighbour's like a value.
        n = len(self._targets)
        return torch.cat([channels[:n], channels[n:].sqrt()]).float()

    def raster(self, kind: str) -> OutputRaster[Tensor]:
        uncertainty = EXTRA_OUTPUTS.get(kind)
        if not isinstance(uncertainty, UncertaintyRaster):
            return super().raster(kind)
        spec = uncertainty.spec(self._card, SegmentOptions())
        return OutputRaster(spec, self._measures, partial(style_by_values, band=2))

    def _measures(self, values: Tensor) -> Tensor:
        """Mean and sd of each quantity, and the bounds of its interval where that is known."""
        n, made = len(self._targets), []
        for mean, spread, target in zip(values[:n], values[n:], self._targets, strict=True):
            made += [mean, spread]
            if target.interval is not None:
                half = _half_width(target.interval, spread)
                bounds = [mean - half, mean + half]
                made += [b.clamp(0, 1) for b in bounds] if self._are_fractions else bounds
        return torch.stack(made)


def _half_width(interval: Interval, spread: Tensor) -> Tensor:
    return interval.factor * torch.hypot(spread, spread.new_tensor(interval.floor))


def _most_probable(scores: Tensor) -> Tensor:
    return scores.argmax(dim=0, keepdim=True)


def _values(scores: Tensor, *, choose: Callable[[Tensor], Tensor], legend: Legend) -> Tensor:
    """Values (1, rows, cols) of the classes that are chosen by the scores (classes, rows, cols)."""
    index = choose(scores)
    if legend.values != list(range(len(legend.values))):
        index = torch.tensor(legend.values, device=index.device)[index]
    return index.to(torch.uint8 if legend.dtype == "uint8" else torch.uint16)
