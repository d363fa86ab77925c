"""Network output at single pixels of a scene, of every pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt
from torch import nn

from georaster_dl.models.package.card import Card
from georaster_dl.predict.outputs.rasters import RasterRun, loader
from georaster_dl.predict.outputs.tasks import Task
from georaster_dl.predict.predictors.choice import PredictorChoice, with_sums
from georaster_dl.predict.predictors.network import EveryPass, SampledNetwork
from georaster_dl.predict.prepare import PreparedRun
from georaster_dl.tiling.pixels import PixelPlaces

__all__ = ["planes_of_pixels"]

_Planes = npt.NDArray[np.float32]


def planes_of_pixels(
    prepared: PreparedRun,
    choice: PredictorChoice,
    make_task: Callable[[], Task],
    places: PixelPlaces,
) -> _Planes | None:
    """Run the network over the tiles that hold some pixels, and take its output there.

    Planes are those of the tile that owns the pixel, also where a map would blend neighbouring tiles.

    Returns
    -------
    (n, passes, planes), NaN where the scene has no measurement; None where it has none at all.

    Raises
    ------
    DeviceError
        When not even the smallest tiles fit into the memory.
    """
    card = prepared.match.card
    taken: list[_Planes] = []

    def take(rows: slice, cols: slice, block: _Planes) -> None:
        inside = places.within(rows, cols)
        if not taken:
            taken.append(np.full((len(places), len(block)), np.nan, np.float32))
        down, across = places.row[inside] - rows.start, places.col[inside] - cols.start
        taken[0][inside] = block[:, down, across].T

    request = replace(prepared.tiling, card=with_sums(prepared.tiling.card, _passes(card, choice)))
    asked = replace(prepared, aoi=places, tiling=request)
    load = loader(asked, _every_pass, "every pass", choice) if choice.several else loader(asked)
    RasterRun(asked, load, make_task, choice).hand_over(take)
    return taken[0].reshape(len(places), -1, card.outputs) if taken else None


def _every_pass(sampled: nn.Module) -> nn.Module:
    return EveryPass(cast("SampledNetwork", sampled))


def _passes(card: Card, choice: PredictorChoice) -> int:
    """Number of passes, for the memory that they take."""
    members = card.architecture.options.get("members")
    counts = {
        "single": 1,
        "tta": 8,
        "ensemble": members if isinstance(members, int) else len(choice.members) + 1,
    }
    return counts.get(choice.kind, choice.passes)
