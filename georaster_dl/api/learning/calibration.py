"""Calibration of a model's probabilities."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Unpack

from georaster_dl.api.keywords import LabelKeywords, SceneKeywords, options_of
from georaster_dl.api.learning.training import LabelledScenes, pairs_of
from georaster_dl.api.model import Model, package_of
from georaster_dl.api.reporting import reporting
from georaster_dl.calibration.result import Calibrated
from georaster_dl.core.events import Report
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.models.package.card import Predictor
from georaster_dl.predict.options import SegmentOptions

__all__ = ["CalibrateKeywords", "calibrate"]

_OWN = ("predictor", "vector", "histograms")


class CalibrateKeywords(SceneKeywords, LabelKeywords, total=False):
    """Keywords of a calibration.

    Attributes
    ----------
    predictor : how probabilities are made, each of which has a calibration of its own: ``"single"`` pass,
        ``"tta"``, ``"mc-dropout"``, ``"bayesian"``, ``"ensemble"``; or ``"all"`` that the model has.
    vector : fit a gain and an offset of each class instead of one temperature; may change the map.
    histograms : file of points; beside the package, NAME_histograms.gpkg and .png show how the
        probabilities of each vary over several passes.
    passes, symmetries : of several passes, as ``SegmentKeywords`` has them.
    seed : of passes, of the choice of pixels, and of the intervals.
    device, precision, halo, tile, resample, overwrite : as ``RunKeywords`` has them.
    """

    predictor: Predictor | Literal["all"]
    vector: bool
    histograms: str | Path | None
    passes: int
    symmetries: Literal["d4", "flip"]
    seed: int
    device: str
    precision: str
    halo: int | Literal["auto", "exact"]
    tile: int | None
    resample: bool
    overwrite: bool


def calibrate(
    model: str | Path | Model,
    scenes: LabelledScenes,
    labels: str | Path | None = None,
    *,
    out: str | Path,
    html: str | Path | None = None,
    png: str | Path | None = None,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[CalibrateKeywords],
) -> Calibrated:
    """Fit the calibration of a model to labels that it has not learnt from; as ``geodl calibrate``.

    Each half of the labelled blocks is judged with what the other half fits; the package's calibration
    is fitted on both. Its weights are those of the old package, which stays as it is.

    Parameters
    ----------
    model : of classes, by the name of a bundled one, the path of a package, or loaded.
    scenes, labels : as ``train`` takes them; the labels' classes are those of the model.
    out : package to write (.safetensors).
    html, png : page with the scores, and reliability diagram; None makes none.
    report, progress : as ``segment`` takes them.
    **options : how scenes and labels are read and the model run; ``CalibrateKeywords``.

    Returns
    -------
    The scores before and after, by predictor; ``to_dict()`` gives all figures.

    Raises
    ------
    GeoRasterError
        When the model has no classes, scenes or labels cannot be used, or there are too few labels.
    """
    of_labels = {field.name for field in fields(LabelOptions)}
    given: dict[str, Any] = dict(options)
    own = {name: given.pop(name) for name in _OWN if name in given}
    reading = {name: given.pop(name) for name in of_labels & given.keys()}
    run = options_of(SegmentOptions, given, beside=(*_OWN, *of_labels))
    pairs = pairs_of(scenes, labels, "split")
    from georaster_dl.calibration.run import (  # torch, after the checks
        CalibrateOptions,
        CalibrateOutputs,
    )
    from georaster_dl.calibration.run import calibrate as fit

    page, diagram = (None if path is None else Path(path) for path in (html, png))
    points = own.pop("histograms", None)
    own["histograms"] = None if points is None else Path(points)
    outputs = CalibrateOutputs(Path(out), page, diagram, histograms=points is not None)
    asked = CalibrateOptions(run, options_of(LabelOptions, reading), **own)
    with reporting(report, progress=progress) as take:
        return fit(package_of(model), pairs, outputs, asked, take)
