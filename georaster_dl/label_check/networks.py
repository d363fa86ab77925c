"""Probabilities of labelled pixels by networks that have not seen their polygons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from georaster_dl.core.events import Event, Report, Warned
from georaster_dl.core.legend import Legend
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.temporary import working_folder
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.vectors.geopackage import write_geopackage
from georaster_dl.label_check.pixels import PolygonPixels
from georaster_dl.label_check.polygons import LabelPolygons
from georaster_dl.models.package.file import read_card
from georaster_dl.pixels.learn.folds import Fold
from georaster_dl.predict.engine.network_cache import NetworkCache
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import SegmentRun
from georaster_dl.tiling.pixels import PixelPlaces
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import train

__all__ = ["FoldNetworks"]

_Indexes = npt.NDArray[np.intp]
_Floats = npt.NDArray[np.float64]

_FIELD = "class"


@dataclass(frozen=True, eq=False)
class FoldNetworks:
    """Networks that are trained on the polygons of some folds and asked about those of another.

    Attributes
    ----------
    scenes : path or address, and opened scene, of each.
    polygons : of all label files.
    pixels : of the polygons.
    legend : of the labels.
    config : how scenes and labels are read, and the settings of the networks.
    folder : in which networks and their caches are made, and removed.
    """

    scenes: Sequence[tuple[str, Scene]]
    polygons: Sequence[LabelPolygons]
    pixels: PolygonPixels
    legend: Legend
    config: TrainConfig
    folder: Path

    def probabilities(
        self, folds: Sequence[Fold], report: Report
    ) -> Iterator[tuple[_Indexes, _Floats]]:
        """Predict the probabilities of each fold by a network of the polygons of all others.

        Parameters
        ----------
        folds : indexes of the pixels to learn from, and of those to predict; no polygon is in both.

        Yields
        ------
        Indexes (m,) of the pixels of a fold and their probabilities (m, classes), NaN without a measurement.
        """
        report = _warning_once(report)
        config = self._settings()
        for taught, asked in folds:
            with working_folder(self.folder) as folder:
                model = folder / "model.safetensors"
                known = np.unique(self.pixels.polygons[taught])
                train(self._labelled(known, folder), model, config, report=report)
                yield asked, self._predicted(model, asked, report)

    def _settings(self) -> TrainConfig:
        """Settings of each network, which has no test: it is judged by the fold that it has not seen."""
        kind = self.config.split.kind
        return self.config.updated(
            {
                "method": "network",
                "split.kind": "auto" if kind == "column" else kind,
                "split.test": 0.0,
                "labels.layer": None,
                "labels.classes": None,
                "labels.class_field": _FIELD,
                "labels.class_name": None,
                "labels.ignore": (),
            }
        )

    def _labelled(self, known: _Indexes, folder: Path) -> list[SceneWithLabels]:
        """Write the known polygons of each label file, and pair them with its scenes."""
        pairs, first = [], 0
        names = np.array(self.legend.names, object)
        for number, each in enumerate(self.polygons):
            of_file = known[(known >= first) & (known < first + len(each.frame))] - first
            first += len(each.frame)
            if not len(of_file):
                continue
            path = folder / f"labels{number}.gpkg"
            taught = geopandas.GeoDataFrame(
                {_FIELD: names[each.classes[of_file]]},
                geometry=each.frame.geometry.to_numpy()[of_file],
                crs=each.frame.crs,
            )
            write_geopackage(path, taught)
            own = [labelled.scene for labelled in each.scenes]
            pairs += [
                SceneWithLabels(source, path)
                for source, scene in self.scenes
                if any(scene is one for one in own)
            ]
        return pairs

    def _predicted(self, model: Path, asked: _Indexes, report: Report) -> _Floats:
        names = [each.name for each in read_card(model).classes]
        columns = [self.legend.names.index(name) for name in names]
        found = np.full((len(asked), len(self.legend.names)), np.nan)
        options = SegmentOptions(
            scene=self.config.scene, device=self.config.training.device, predictor="single"
        )
        for number, (_, scene) in enumerate(self.scenes):
            here = np.flatnonzero(self.pixels.scenes[asked] == number)
            if not len(here):
                continue
            here = here[np.argsort(self.pixels.rows[asked[here]], kind="stable")]
            places = PixelPlaces(self.pixels.rows[asked[here]], self.pixels.cols[asked[here]])
            run = SegmentRun(scene, model, Outputs.in_memory(), options, report, NetworkCache())
            with gdal_environment():
                logits = run.at_pixels(places)
            if logits is not None:
                found[here] = 0.0
                found[here[:, None], columns] = softmax(logits[:, 0].astype(np.float64), axis=1)
        return found


def _warning_once(report: Report) -> Report:
    """Leave out warnings that an earlier network had as well."""
    seen: set[str] = set()

    def take(event: Event) -> None:
        if isinstance(event, Warned):
            if event.message in seen:
                return
            seen.add(event.message)
        report(event)

    return take
