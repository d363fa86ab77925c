"""Candidates of a scene with their uncertainty and features, from one pass of a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report
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
from georaster_dl.predict.predictors.choice import PredictorChoice, with_predictor
from georaster_dl.predict.prepare import PreparedRun, open_input, prepare
from georaster_dl.proposals.cells import Zones, grid_of
from georaster_dl.proposals.options import ProposeOptions

if TYPE_CHECKING:
    from torch import nn

    from georaster_dl.predict.engine.rewrite.network import Rewritten
    from georaster_dl.proposals.network import SampledFeatures, ScoredFeatures
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
    choice : how its probabilities are made.
    geobox : of the scene.
    zones : the candidates.
    """

    prepared: PreparedRun
    choice: PredictorChoice
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
            When the scene is damaged, has no valid pixel, none of a candidate, or the memory does not suffice.
        """
        from georaster_dl.predict.outputs.rasters import RasterRun
        from georaster_dl.proposals.sums import ZoneTask

        card, several = self.prepared.match.card, self.choice.several
        self.prepared.warn()
        with gdal_environment():
            # Before the run: how many features there are is only known of the network.
            network, features = self._network()
            tasks: list[ZoneTask] = []

            def begin() -> ZoneTask:
                tasks.append(ZoneTask(card, features, by, self.zones, several=several))
                return tasks[-1]

            run = RasterRun(self.prepared, lambda: network, begin, self.choice)
            run.into("zones", lambda task: cast("ZoneTask", task).add)
        means = tasks[-1].means()
        return means.where(means.valid >= _LEAST_VALID * self.zones.sizes(means.numbers))

    def _network(self) -> tuple[nn.Module, int]:
        """Load the network that gives scores and features, and count the features."""
        from georaster_dl.models.runtime.features import FeatureNetwork
        from georaster_dl.models.runtime.optional_bands import load_narrowed
        from georaster_dl.predict.outputs.rasters import loader
        from georaster_dl.proposals.network import (
            SampledFeatures,
            ScoredFeatures,
            feature_layer_of,
        )

        bands = [band.name for band in self.prepared.match.card.bands]

        def change(network: nn.Module) -> nn.Module:
            if not self.choice.several:
                return ScoredFeatures(network, len(bands), feature_layer_of(network))
            single = load_narrowed(self.prepared.model, bands)[1]
            layer = feature_layer_of(single)
            return SampledFeatures(network, FeatureNetwork(single, len(bands), layer))

        network = loader(self.prepared, change, "scored", self.choice)()
        made = network if self.choice.several else cast("Rewritten", network).network
        return network, cast("ScoredFeatures | SampledFeatures", made).features

    def centres(self, numbers: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """(n, 2) cols and rows of the middles of candidates."""
        middles: npt.NDArray[np.float64] = shapely.get_coordinates(
            shapely.centroid(self.zones.outlines(numbers))
        )
        return middles


def prepare_scene(
    sources: Sources, model: Path, card: Card, options: ProposeOptions, report: Report
) -> tuple[PreparedRun, PredictorChoice, GeoBox]:
    """Open a scene and check that the model fits.

    Raises
    ------
    GeoRasterError
        When the scene cannot be opened, has no place on Earth, or the model does not fit.
    """
    scene = open_input(sources, options.scene)
    geobox = grid_of(scene)
    match = match_scene(scene, card, resample=options.resample)
    match, choice = with_predictor(scene, match, _disagreeing(card, options))
    if options.by == "mutual-information" and not choice.several:
        raise OptionError(
            f"Mutual information is how far several passes disagree, but {card.name} would run once; use "
            f"`predictor='tta'`, which any model can, name several models, or use `by='margin'`."
        )
    members = [(member.model, member.card) for member in choice.members]
    context = RunContext(options, report)
    return prepare(scene, match, model, [], context, members=members), choice, geobox


def _disagreeing(card: Card, options: ProposeOptions) -> ProposeOptions:
    """Take the members of an ensemble's package apart where their disagreement is asked for."""
    one_package = options.predictor == "auto" and not options.members
    if options.by == "mutual-information" and one_package and card.architecture.name == "ensemble":
        return replace(options, predictor="ensemble")
    return options


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
