"""What a model predicts, mapped: a scene and a model in, styled GeoTIFFs out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import ModelChosen, Report, no_report
from georaster_dl.core.raster import Georeference
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.vectors.polygons import check_polygons_possible, write_polygons
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import read_card
from georaster_dl.predict.matching.default_model import choose_model
from georaster_dl.predict.options import Findings, Outputs, SegmentOptions, Summary
from georaster_dl.predict.outputs.overview import write_class_overview, write_value_overview
from georaster_dl.predict.prepare import make_ready
from georaster_dl.predict.run import SceneRun

if TYPE_CHECKING:
    from georaster_dl.predict.outputs.rasters import RasterRun
    from georaster_dl.predict.outputs.tasks import Kind

__all__ = ["SegmentRun", "segment"]

_FIRST_METRICS = 4  # a card states the most telling ones first


def segment(
    sources: str | Path | Sequence[str | Path],
    model: Path | None,
    outputs: Outputs,
    options: SegmentOptions | None = None,
    report: Report = no_report,
) -> Summary:
    """Map what a model predicts of a scene: classes, or a quantity.

    Parameters
    ----------
    sources : path or address of the scene, or several single files of it.
    model : model package; None takes the bundled one of Sentinel-2 where it fits.
    outputs : files to make. All appear at the end, or none; an extra one that fails is left out, with
        a warning and in the summary's ``failed``.
    report : called with ``start``, ``progress`` and ``warning`` events, and first with ``model``
        where none was given.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, the outputs or the device; nothing is left
        behind. Where no model is named, also reflectances that look a tenth too high or too low.
    """
    return SegmentRun(sources, model, outputs, options or SegmentOptions(), report).whole()


class SegmentRun(SceneRun):
    """A map of a scene that can be made; parameters and errors are those of ``segment``."""

    def __init__(
        self,
        sources: str | Path | Sequence[str | Path],
        model: Path | None,
        outputs: Outputs,
        options: SegmentOptions,
        report: Report,
    ) -> None:
        begun = time.monotonic()
        opened = open_scene(sources, options.scene)
        named = model is not None
        model = model or choose_model(opened)
        stated = read_card(model)
        _check_outputs(outputs, stated)
        ready = make_ready(opened, model, stated, options, report, begun=begun, named=named)
        super().__init__(ready, outputs.all())
        self._outputs = outputs
        self._float32 = options.float32
        if not named:
            _tell(stated, report)
        if outputs.polygons:
            _check_place(ready.fit.scene.geobox)

    def _rasters(self) -> tuple[RasterRun, dict[Kind, Path]]:
        from georaster_dl.predict.outputs.rasters import RasterRun, loader
        from georaster_dl.predict.outputs.tasks import task_of

        ready, float32 = self.ready, self._float32
        rasters = RasterRun(ready, loader(ready), lambda: task_of(ready.fit.card, float32=float32))
        paths: dict[Kind, Path | None] = {
            "map": self._outputs.map,
            "probabilities": self._outputs.probabilities,
            "confidence": self._outputs.confidence,
            "uncertainty": self._outputs.uncertainty,
        }
        return rasters, {kind: path for kind, path in paths.items() if path is not None}

    def _complete(self, stage: Staging, found: Findings) -> None:
        scene, card, outputs = self.ready.fit.scene, self.ready.fit.card, self._outputs
        staged_map = stage.path(outputs.map)
        if outputs.polygons:
            with stage.making(outputs.polygons) as polygons:
                write_polygons(staged_map, polygons, legend=card.legend)
        if outputs.quicklook:
            with stage.making(outputs.quicklook) as picture:
                if card.targets:
                    write_value_overview(scene, staged_map, picture, card.targets[0].label)
                else:
                    write_class_overview(scene, staged_map, picture, card.legend, found.counts)


def _check_place(geobox: Georeference) -> None:
    check_polygons_possible(
        has_gcps=isinstance(geobox, GCPGeoBox),
        has_transform=isinstance(geobox, GeoBox)
        and (geobox.crs is not None or not geobox.affine.is_identity),
    )


def _tell(card: Card, report: Report) -> None:
    """Say which model was chosen, and how good it is."""
    metrics = dict(islice(card.metrics.items(), _FIRST_METRICS))
    report(ModelChosen(card.name, card.version, metrics))


def _check_outputs(outputs: Outputs, card: Card) -> None:
    """Refuse what the model does not predict."""
    if card.task == "autoencoder":
        raise OptionError(
            f"{card.name} predicts {card.predicts}, and no map; use it with geodl features or geodl "
            f"denoise, or name another model with -m."
        )
    of_classes = {
        "--probabilities": outputs.probabilities,
        "--confidence": outputs.confidence,
        "--uncertainty": outputs.uncertainty,
        "--polygons": outputs.polygons,
    }
    asked = [option for option, path in of_classes.items() if path is not None]
    if card.targets and asked:
        raise OptionError(
            f"{card.name} predicts {card.predicts}, and no classes, so it has nothing for "
            f"{', '.join(asked)}; leave that out."
        )
