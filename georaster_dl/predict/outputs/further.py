"""Rasters of a task with those of further channels beside them: boundaries, weights, and how unlike the training pixels are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from georaster_dl.models.novelty.detector import Detector
from georaster_dl.models.novelty.network import NoveltyNetwork
from georaster_dl.models.novelty.outliers import OUTLIER_CHANNELS, OutlierNetwork
from georaster_dl.models.package.card import Card
from georaster_dl.models.zoo.heads.boundaries import give_boundaries
from georaster_dl.predict.options import Findings, SegmentOptions
from georaster_dl.predict.outputs.kinds import (
    EXTRA_OUTPUTS,
    BoundaryRaster,
    NoveltyRaster,
    OutlierRaster,
    WeightRaster,
    stored_fractions,
)
from georaster_dl.predict.outputs.output_raster import OutputRaster
from georaster_dl.predict.outputs.rasters import RasterRun, loader
from georaster_dl.predict.outputs.tasks import Task
from georaster_dl.predict.predictors.choice import PredictorChoice
from georaster_dl.predict.prepare import PreparedRun
from georaster_dl.render.qml import write_limit_style, write_ramp_style

if TYPE_CHECKING:
    from georaster_dl.models.contract import ModalityNetwork

__all__ = ["FURTHER", "further_run"]

FURTHER = ("boundaries", "weights", "novelty", "outliers")
"""Names of the outputs that are further channels, in the order of these."""

_LAST = 3.0  # ratio that is shown in the last colour


def further_run(
    prepared: PreparedRun,
    make_task: Callable[[], Task],
    choice: PredictorChoice,
    names: tuple[str, ...],
    options: SegmentOptions,
) -> RasterRun:
    """Make the run of a task's rasters and of those of further channels.

    Parameters
    ----------
    make_task : of the network alone.
    names : those of ``FURTHER`` that are made, in its order.
    """
    card = prepared.match.card

    def change(network: nn.Module) -> nn.Module:
        for name in names:
            network = _CHANGES[name](network, card)
        return network

    def task() -> Task:
        made = make_task()
        for name in names:
            made = _WithChannels(made, card, name, options)
        return made

    return RasterRun(prepared, loader(prepared, change, names, choice), task, choice)


def _weights(network: nn.Module, _card: Card) -> nn.Module:
    cast("ModalityNetwork", network).gives_weights = True
    return network


def _novelty(network: nn.Module, card: Card) -> nn.Module:
    if card.novelty is None:
        raise ValueError(f"The card of {card.name} holds no statistics of its training.")
    detector = Detector.of(card.novelty, [band.name for band in card.bands])
    if detector is None:
        raise ValueError(f"{card.name} reads no band of those it has statistics of.")
    return NoveltyNetwork(network, card.bands, detector)


def _outliers(network: nn.Module, card: Card) -> nn.Module:
    if card.domain is None:
        raise ValueError(f"The card of {card.name} does not describe its calibration.")
    return OutlierNetwork(network, card.bands, card.domain)


_CHANGES: dict[str, Callable[[nn.Module, Card], nn.Module]] = {
    "boundaries": lambda network, _card: give_boundaries(network),
    "weights": _weights,
    "novelty": _novelty,
    "outliers": _outliers,
}
_CHANNELS = {"boundaries": 1, "novelty": 1, "outliers": OUTLIER_CHANNELS}


class _WithChannels:
    """A task whose channels are followed by those of one more raster."""

    def __init__(self, task: Task, card: Card, name: str, options: SegmentOptions) -> None:
        self._task, self._card, self._name, self._options = task, card, name, options
        self._n = len(card.modalities) if name == "weights" else _CHANNELS[name]
        self.fastest = task.fastest

    def activate(self, channels: Tensor) -> Tensor:
        own = channels[-self._n :].float()
        if self._name == "boundaries":
            own = own.sigmoid()
        return torch.cat([self._task.activate(channels[: -self._n]), own])

    def raster(self, kind: str) -> OutputRaster[Tensor]:
        if kind != self._name:
            raster = self._task.raster(kind)
            return replace(raster, render=partial(_before, n=self._n, render=raster.render))
        described = EXTRA_OUTPUTS[kind]
        if isinstance(described, BoundaryRaster | WeightRaster):
            spec = described.spec(self._card, self._options)
            render = partial(_last_fractions, n=self._n, float32=self._options.float32)
            return OutputRaster(spec, render, partial(write_ramp_style, minimum=0.0, maximum=1.0))
        if not isinstance(described, NoveltyRaster | OutlierRaster):
            raise TypeError(f"{kind} is no raster of further channels.")
        spec = described.spec(self._card, self._options)
        style = partial(write_limit_style, maximum=_LAST)
        return OutputRaster(spec, partial(_last, n=self._n), style, from_logits=True)

    def findings(self) -> Findings:
        return self._task.findings()


def _before(channels: Tensor, *, n: int, render: Callable[[Tensor], Tensor]) -> Tensor:
    return render(channels[:-n])


def _last(channels: Tensor, *, n: int) -> Tensor:
    # A copy: nodata is written into it.
    return channels[-n:].float().clone()


def _last_fractions(channels: Tensor, *, n: int, float32: bool) -> Tensor:
    return stored_fractions(channels[-n:], float32=float32)
