"""Proposals of areas to label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack, cast

from georaster_dl.api.keywords import PredictorKeywords, options_of
from georaster_dl.api.model import Model, package_of
from georaster_dl.api.reporting import reporting
from georaster_dl.api.runs import scene_sources
from georaster_dl.api.scenes import SceneSource
from georaster_dl.core.events import Report

if TYPE_CHECKING:
    from georaster_dl.proposals.propose import Proposed

__all__ = ["ProposeKeywords", "propose"]


class ProposeKeywords(PredictorKeywords, total=False):
    """Keywords of proposing areas to label; without ``record`` and ``journal``.

    Attributes
    ----------
    by : ``"margin"``, one minus the difference between the two largest probabilities; ``"entropy"``; or
        ``"mutual-information"``, the disagreement of several passes.
    cell : side of a square cell in pixels.
    parcels : file of polygons that take the place of cells.
    class_field : attribute of vector labels that holds the class.
    """

    by: Literal["margin", "entropy", "mutual-information"]
    cell: int
    parcels: str | Path | None
    class_field: str | None


def propose(
    scenes: SceneSource | Sequence[SceneSource],
    model: str | Path | Model,
    *,
    out: str | Path,
    n: int = 50,
    labels: str | Path | None = None,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[ProposeKeywords],
) -> Proposed:
    """Propose the areas of scenes whose labels would help a model most; as ``geodl propose``.

    Parameters
    ----------
    scenes : a scene as ``segment`` takes it, or a list of several, which compete together.
    model, report, progress : as ``segment`` takes them; a model of classes.
    out : GeoPackage of the areas to make (.gpkg), with ranks and an empty field ``class``; a picture of
        them goes beside it (.png).
    n : number of areas.
    labels : labels that exist already, a vector file or raster; what holds some is not proposed.
    **options : how areas are chosen, scenes are read and the model is run; ``ProposeKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes, model, labels, parcels or outputs; nothing is left behind.
    """
    from georaster_dl.proposals.options import ProposeOptions
    from georaster_dl.proposals.propose import propose as run

    known = None if labels is None else Path(labels)
    asked = options_of(ProposeOptions, options, n=n, labels=known)
    several = list(scenes) if isinstance(scenes, list | tuple) else [scenes]
    sources = [scene_sources(cast("SceneSource", scene)) for scene in several]
    with reporting(report, progress=progress) as take:
        return run(sources, package_of(model), Path(out), asked, take)
