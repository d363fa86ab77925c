"""Candidates of a scene with their uncertainty and features, from one pass of a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.geobox import GeoBox

from georaster_dl.core.legend import Legend
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.io.blocks import strips
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.labels.read import open_class_labels, read_legend
from georaster_dl.io.scenes.reader import Sources
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.package.card import Card
from georaster_dl.predict.context import RunContext
from georaster_dl.predict.matching.scene_match import match_scene
from georaster_dl.predict.prepare import PreparedRun, open_input, prepare
from georaster_dl.proposals.cells import Zones, grid_of

if TYPE_CHECKING:
    from georaster_dl.proposals.sums import Means, ZoneTask

__all__ = ["SceneCandidates", "labelled_zones", "prepare_scene"]

_LEAST_VALID = 0.5  # share of a candidate's pixels
_MOST_PIXELS = 2**22  # of labels at a time


@dataclass(frozen=True)
class SceneCandidates:
    """A scene that a model can map, with its candidates.

    Attributes
    ----------
    prepared : scene and model, which go together.
    geobox : of the scene.
    zones : the candidates.
    """

    prepared: PreparedRun
    geobox: GeoBox
    zones: Zones

    @property
    def scene(self) -> Scene:
        """The scene as the model reads it."""
        return self.prepared.match.scene

    @property
    def legend(self) -> Legend:
        """Classes of the model."""
        return self.prepared.match.card.legend

    def score(self, by: str) -> Means:
        """Map the scene, and average uncertainty and features over each candidate that is mostly valid.

        Parameters
        ----------
        by : name of the uncertainty.

        Raises
        ------
        GeoRasterError
            When the scene is damaged, has no valid pixel, or the memory does not suffice.
        """
        from georaster_dl.predict.outputs.rasters import RasterRun, loader
        from georaster_dl.proposals.network import ScoredFeatures
        from georaster_dl.proposals.sums import ZoneTask

        card = self.prepared.match.card
        self.prepared.warn()
        with gdal_environment():
            # Before the run: how many features there are is only known of the network.
            rewritten = loader(
                self.prepared, lambda network: ScoredFeatures(network, len(card.bands)), "scored"
            )()
            features = cast("ScoredFeatures", rewritten.network).features
            tasks: list[ZoneTask] = []

            def begin() -> ZoneTask:
                tasks.append(ZoneTask(card, features, by, self.zones))
                return tasks[-1]

            run = RasterRun(self.prepared, lambda: rewritten, begin)
            run.into("zones", lambda task: cast("ZoneTask", task).add)
        means = tasks[-1].means()
        return means.where(means.valid >= _LEAST_VALID * self.zones.sizes(means.numbers))

    def centres(self, numbers: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """(n, 2) cols and rows of the middles of candidates."""
        middles: npt.NDArray[np.float64] = shapely.get_coordinates(
            shapely.centroid(self.zones.outlines(numbers))
        )
        return middles


def prepare_scene(
    sources: Sources, model: Path, card: Card, context: RunContext
) -> tuple[PreparedRun, GeoBox]:
    """Open a scene and check that the model fits.

    Raises
    ------
    GeoRasterError
        When the scene cannot be opened, has no place on Earth, or the model does not fit.
    """
    scene = open_input(sources, context.options.scene)
    geobox = grid_of(scene)
    match = match_scene(scene, card, resample=context.options.resample)
    return prepare(scene, match, model, [], context), geobox


def labelled_zones(
    zones: Zones, geobox: GeoBox, labels: Path, options: LabelOptions
) -> npt.NDArray[np.bool_]:
    """(zones,) True where a candidate holds a labelled pixel.

    Raises
    ------
    GeoRasterError
        When the labels cannot be read, or lie beside the scene.
    """
    found = np.zeros(zones.count, bool)
    legend = read_legend([labels], options)
    with gdal_environment(), open_class_labels(labels, geobox, legend, options) as opened:
        rows_cols = geobox.shape[0], geobox.shape[1]
        whole = slice(0, rows_cols[1])
        for rows in strips(rows_cols, _MOST_PIXELS):
            numbers = zones.read(rows, whole)[opened.read(rows, whole) >= 0]
            found[numbers[numbers >= 0]] = True
    return found
