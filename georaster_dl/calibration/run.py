"""Calibrate a model on labelled scenes: the public function behind ``geodl calibrate``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from georaster_dl.calibration.diagram import reliability_png
from georaster_dl.calibration.ground import LabelledPixels, choose_pixels, open_labels
from georaster_dl.calibration.histogram_grid import histograms_png
from georaster_dl.calibration.histograms import Histograms, point_histograms, read_points
from georaster_dl.calibration.judged import Judged, check_classes, judge
from georaster_dl.calibration.logits import gather_logits
from georaster_dl.calibration.package import calibrated_card, check_learnt, check_task
from georaster_dl.calibration.report import render_report
from georaster_dl.calibration.result import Calibrated
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, no_report, warner
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.files.joined import split_joined
from georaster_dl.io.labels.read import labels_digest
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.vectors.geopackage import write_geopackage
from georaster_dl.models.package.card import Card, Predictor
from georaster_dl.models.package.file import read_card, with_card
from georaster_dl.predict.engine.network_cache import NetworkCache
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.predictors.network import has_dropout
from georaster_dl.predict.prepare import open_input
from georaster_dl.predict.segment import SegmentRun
from georaster_dl.training.data.sources import SceneWithLabels

__all__ = ["CalibrateOptions", "CalibrateOutputs", "calibrate"]

_MOST_PIXELS = 200_000
_MOST_LOGITS = 2**26


@dataclass(frozen=True)
class CalibrateOutputs:
    """Files to make; only the package always is.

    Attributes
    ----------
    model : the package.
    html : page with the scores and the reliability diagram.
    png : the diagram.
    histograms : whether to make NAME_histograms.gpkg and .png of points beside the package.
    """

    model: Path
    html: Path | None = None
    png: Path | None = None
    histograms: bool = False

    @property
    def table(self) -> Path:
        """Points with their histograms."""
        return self.model.with_name(f"{self.model.stem}_histograms.gpkg")

    @property
    def grid(self) -> Path:
        """Picture of the histograms."""
        return self.table.with_suffix(".png")

    @property
    def extras(self) -> list[Path]:
        """Files beside the package."""
        reports = [path for path in (self.html, self.png) if path is not None]
        return [*reports, *([self.table, self.grid] if self.histograms else [])]


@dataclass(frozen=True)
class CalibrateOptions:
    """How a model is calibrated.

    Attributes
    ----------
    run : how the scenes are read and the model is run; its seed is also that of the choice of pixels, of
        the halves, and of the intervals. Without members, area of interest, record and journal.
    labels : how these are read.
    predictor : whose calibration is fitted; ``all`` for each that the model has.
    vector : fit a gain and an offset of each class instead of one temperature; may change the map.
    histograms : file of points whose probabilities are counted over the passes; needs several of them.
    """

    run: SegmentOptions = field(default_factory=SegmentOptions)
    labels: LabelOptions = field(default_factory=LabelOptions)
    predictor: Predictor | Literal["all"] = "single"
    vector: bool = False
    histograms: Path | None = None


def calibrate(
    model: Path,
    pairs: Sequence[SceneWithLabels],
    outputs: CalibrateOutputs,
    options: CalibrateOptions | None = None,
    report: Report = no_report,
) -> Calibrated:
    """Fit the calibration of a model to labelled scenes that it has not learnt from, in a new package.

    The labelled blocks are cut into two halves: what is reported of each was fitted on the other. The
    package's calibration is fitted on both. Its weights are those of the old package.

    Parameters
    ----------
    pairs : scenes with labels.
    report : called with the events of each run over a scene.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the model, the scenes, their labels, the outputs or the device; nothing is
        left behind.
    """
    begun, options = time.monotonic(), options or CalibrateOptions()
    card = read_card(model)
    check_task(card)
    files = [_labels_of(pair) for pair in pairs]
    with Staging(
        outputs.model,
        extras=outputs.extras,
        overwrite=options.run.overwrite,
        protect=[
            model,
            *files,
            *(file for pair in pairs for file in split_joined(pair.scene)),
            *_given(options.histograms),
        ],
        warn=warner(report),
    ) as stage:
        unique = list(dict.fromkeys(files))
        digests = [labels_digest(file, options.labels, numbers=False) for file in unique]
        for warning in check_learnt(card, unique, digests):
            warner(report)(warning)
        scenes = [open_input(pair.scene, options.run.scene) for pair in pairs]
        calibration = _Calibration(model, card, scenes, options, report)
        pixels, judged = calibration.judged(files)
        new = calibrated_card(card, judged, unique, digests)
        stage.path(outputs.model).write_bytes(with_card(model, new))
        made = Calibrated(
            model=outputs.model,
            card=new,
            labels=tuple(unique),
            judged=tuple(judged),
            scenes=len(pairs),
            side=pixels[0].side,
        )
        _write_extras(stage, outputs, made, lambda: calibration.histograms(new))
    return replace(
        made,
        files=tuple(stage.made([*outputs.extras, outputs.model])),
        failed=stage.failed,
        seconds=time.monotonic() - begun,
    )


def _given(path: Path | None) -> list[Path]:
    return [] if path is None else [path]


def _labels_of(pair: SceneWithLabels) -> Path:
    if pair.labels is None:
        raise OptionError(
            f"{pair.scene} has no labels, but a calibration needs some; give a file of them."
        )
    return pair.labels


def _write_extras(
    stage: Staging,
    outputs: CalibrateOutputs,
    made: Calibrated,
    histograms: Callable[[], Histograms],
) -> None:
    """Write the files beside the package; any of them may fail by itself."""
    if outputs.html is not None:
        with stage.making(outputs.html) as path:
            path.write_text(render_report(made), encoding="utf-8", errors="backslashreplace")
    if outputs.png is not None:
        with stage.making(outputs.png) as path:
            path.write_bytes(reliability_png(made.judged))
    if outputs.histograms:
        with stage.making(outputs.table, outputs.grid) as path:
            found = histograms()
            write_geopackage(path, found.table(), geometry_type="Point")
            with stage.making(outputs.grid) as picture:
                picture.write_bytes(histograms_png(found))


class _Calibration:
    """Runs of a model over scenes for its calibration.

    Raises
    ------
    OptionError
        When histograms are asked for, but their points or the passes for them are missing.
    """

    def __init__(
        self,
        model: Path,
        card: Card,
        scenes: Sequence[Scene],
        options: CalibrateOptions,
        report: Report,
    ) -> None:
        self._model = model
        self._card = card
        self._scenes = scenes
        self._options = options
        self._report = report
        self._networks = NetworkCache()
        self._predictors = self._asked()
        if options.histograms is not None:
            self._points = read_points(options.histograms)
            self._varying = _varying(self._predictors)

    def judged(self, files: Sequence[Path]) -> tuple[list[LabelledPixels], list[Judged]]:
        """Choose pixels of the scenes, and judge the calibrations of the predictors.

        Parameters
        ----------
        files : labels of each scene.
        """
        options, legend = self._options, self._card.legend
        # Before the labels are read: this checks whether the scenes go with the model.
        runs = self._runs(self._predictors[0])
        labels = open_labels(self._scenes, files, legend, options.labels)
        pixels = choose_pixels(
            labels, len(legend.classes), most=self._most(), seed=options.run.seed
        )
        for run in runs:
            run.prepared.warn()
        absent = self._absent_classes(pixels)
        judged = [self._of_predictor(each, pixels) for each in self._predictors]
        if absent:
            warner(self._report)(
                f"no pixel is labelled {listed(absent, 12)}: the calibration holds for ground without "
                f"{'it' if len(absent) == 1 else 'them'}"
            )
        return pixels, judged

    def _absent_classes(self, pixels: Sequence[LabelledPixels]) -> list[str]:
        """List the classes without labels; refuse labels of a single class."""
        labelled = np.unique(np.concatenate([of_scene.target for of_scene in pixels]))
        names = self._card.legend.names
        if len(labelled) == 1 < len(names):
            raise OptionError(
                f"All labelled pixels are {names[labelled[0]]}, of which no calibration for {len(names)} classes "
                f"follows; label some of the others, too."
            )
        return [name for i, name in enumerate(names) if i not in labelled]

    def histograms(self, card: Card) -> Histograms:
        """Count the probabilities of the points over the passes, with the calibration of a card."""
        found = point_histograms(
            self._points,
            self._runs(self._varying),
            card.legend.names,
            card.calibration_of(self._varying),
        )
        if found.missed:
            warner(self._report)(
                f"no histogram of {counted(found.missed, 'point')} of {self._options.histograms}, beside the "
                f"scenes or on pixels without a measurement"
            )
        return found

    def _asked(self) -> list[Predictor]:
        if self._options.predictor != "all":
            return [self._options.predictor]
        card = self._card
        there: dict[Predictor, bool] = {
            "single": True,
            "tta": True,
            "mc-dropout": has_dropout(self._model, card),
            "bayesian": card.architecture.options.get("head") == "bayesian",
            "ensemble": card.architecture.name == "ensemble",
        }
        return [predictor for predictor, has in there.items() if has]

    def _most(self) -> int:
        """Number of pixels whose logits of all passes are held."""
        passes = 1 if self._options.predictor == "single" else max(self._options.run.passes, 8)
        return min(_MOST_PIXELS, _MOST_LOGITS // (passes * len(self._card.classes)))

    def _runs(self, predictor: Predictor) -> list[SegmentRun]:
        options = replace(self._options.run, predictor=predictor)
        outputs = Outputs.in_memory()
        return [
            SegmentRun(scene, self._model, outputs, options, self._report, self._networks)
            for scene in self._scenes
        ]

    def _of_predictor(self, predictor: Predictor, pixels: Sequence[LabelledPixels]) -> Judged:
        options = self._options
        ground = gather_logits(self._runs(predictor), pixels)
        if options.vector:
            check_classes(ground, self._card.legend.names)
        former = self._card.calibration_of(predictor)
        return judge(predictor, ground, former, vector=options.vector, seed=options.run.seed)


def _varying(predictors: Sequence[Predictor]) -> Predictor:
    """Choose the predictor whose passes histograms show: that of random numbers first."""
    for predictor in ("bayesian", "mc-dropout", "ensemble", "tta"):
        if predictor in predictors:
            return predictor
    raise OptionError(
        "`histograms=` counts how probabilities vary from pass to pass, but a single pass was asked for; add "
        "`predictor='mc-dropout'`, `predictor='bayesian'`, `predictor='ensemble'` or `predictor='tta'`."
    )
