"""Rasters of a task with the novelty of each pixel beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from georaster_dl.models.novelty.detector import Detector
from georaster_dl.models.novelty.network import NoveltyNetwork
from georaster_dl.models.package.card import Card
from georaster_dl.predict.options import Findings, SegmentOptions
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS, NoveltyRaster
from georaster_dl.predict.outputs.output_raster import OutputRaster
from georaster_dl.predict.outputs.rasters import RasterRun, loader
from georaster_dl.predict.outputs.tasks import Task
from georaster_dl.predict.predictors.choice import PredictorChoice
from georaster_dl.predict.prepare import PreparedRun
from georaster_dl.render.qml import write_ramp_style

__all__ = ["novelty_run"]

_BRIGHTEST = 2.0  # novelty that is shown brightest; the threshold, 1, is in the middle


def novelty_run(
    prepared: PreparedRun, make_task: Callable[[], Task], choice: PredictorChoice
) -> RasterRun:
    """Make the run of a task's rasters and of the novelty.

    Parameters
    ----------
    make_task : of the network without the novelty.
    """
    card = prepared.match.card
    if card.novelty is None:
        raise ValueError(f"The card of {card.name} holds no statistics of its training.")
    detector = Detector.of(card.novelty, [band.name for band in card.bands])
    if detector is None:
        raise ValueError(f"{card.name} reads no band of those it has statistics of.")

    def change(network: nn.Module) -> nn.Module:
        return NoveltyNetwork(network, card.bands, detector)

    load = loader(prepared, change, "novelty", choice)
    return RasterRun(prepared, load, lambda: _WithNovelty(make_task(), card), choice)


class _WithNovelty:
    """A task whose channels are followed by that of the novelty."""

    def __init__(self, task: Task, card: Card) -> None:
        self._task, self._card = task, card
        self.fastest = task.fastest

    def activate(self, channels: Tensor) -> Tensor:
        return torch.cat([self._task.activate(channels[:-1]), channels[-1:].float()])

    def raster(self, kind: str) -> OutputRaster[Tensor]:
        novelty = EXTRA_OUTPUTS.get(kind)
        if not isinstance(novelty, NoveltyRaster):
            raster = self._task.raster(kind)
            return replace(raster, render=partial(_without_novelty, render=raster.render))
        spec = novelty.spec(self._card, SegmentOptions())
        style = partial(write_ramp_style, minimum=0.0, maximum=_BRIGHTEST)
        return OutputRaster(spec, _novelty, style, from_logits=True)

    def findings(self) -> Findings:
        return self._task.findings()


def _without_novelty(channels: Tensor, *, render: Callable[[Tensor], Tensor]) -> Tensor:
    return render(channels[:-1])


def _novelty(channels: Tensor) -> Tensor:
    # A copy: nodata is written into it.
    return channels[-1:].float().clone()
