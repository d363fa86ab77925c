"""Functions that run a model over a scene and write files: maps, features, denoised scenes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from georaster_dl.api.keywords import (
    CleaningKeywords,
    MapKeywords,
    ObjectKeywords,
    RunKeywords,
    cleaning_of,
    options_of,
    polygon_options_of,
)
from georaster_dl.api.model import Model, package_of
from georaster_dl.api.reporting import reporting
from georaster_dl.api.scenes import SceneSource, as_scene, check_kind
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.arrays import is_array
from georaster_dl.io.stacks.stack import TimeStack
from georaster_dl.predict.denoise import DenoiseRun
from georaster_dl.predict.features import FeatureRun
from georaster_dl.predict.limitations import run_limitations
from georaster_dl.predict.options import (
    FeatureOptions,
    FeatureOutputs,
    Outputs,
    RunOptions,
    SegmentOptions,
    Summary,
)
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS, settings_of
from georaster_dl.predict.run import SceneRun
from georaster_dl.predict.segment import SegmentRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from georaster_dl.io.scenes.reader import Sources

__all__ = ["FeatureKeywords", "SegmentKeywords", "denoise", "features", "scene_sources", "segment"]


class SegmentKeywords(MapKeywords, CleaningKeywords, ObjectKeywords, total=False):
    """Keywords of mapping a scene; files beside the map are named after it (True) or by a path.

    Attributes
    ----------
    probabilities : probability of each class, one band per class.
    confidence : probability of the mapped class.
    uncertainty : entropy of the classes' probabilities, 0 to 1; of several passes a band each of
        predictive entropy, expected entropy, mutual information, variance and confidence; of a quantity
        mean, sd and the bounds of its interval. The name of a predictor, as in
        ``uncertainty="mc-dropout"``, also sets ``predictor``.
    sets : classes that each pixel may be, a band per class, and their number; a number also sets ``level``, as in
        ``sets=0.95``.
    boundaries : of models trained with ``instances``, how near each pixel is to the end of an object, 0 to 1.
    weights : of models that weigh several sensors, how much each decided, a band per sensor, of sum 1.
    novelty : how unlike the model's training each pixel is; above 1 it is unlike it.
    outliers : of models of spectra, how far each pixel is from the calibration: the largest ratio to a limit, those
        of T2, of Q residuals and of the distance to the nearest calibration spectrum; above 1 it is unlike it.
    polygons : GeoPackage of the map as polygons.
    quicklook : PNG of the scene beside its map.
    float32 : store fractions, probabilities, confidence and uncertainty as float32 instead of scaled whole numbers.
    """

    probabilities: bool | str | Path
    confidence: bool | str | Path
    uncertainty: bool | str | Path
    sets: bool | float | str | Path
    boundaries: bool | str | Path
    weights: bool | str | Path
    novelty: bool | str | Path
    outliers: bool | str | Path
    polygons: bool | str | Path
    quicklook: bool | str | Path
    float32: bool


def segment(
    scene: SceneSource,
    model: str | Path | Model | None = None,
    *,
    out: str | Path,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[SegmentKeywords],
) -> Summary:
    """Map a scene with a model: its classes, quantities or fractions; as ``geodl segment``.

    Parameters
    ----------
    scene : as ``open_scene`` takes it; or a stack of ``open_stack``, for models of time series.
    model : name of a bundled model, path of a package, or a loaded model; None takes the bundled one of Sentinel-2 where
        it fits.
    out : map to make (.tif), a Cloud Optimized GeoTIFF. All files appear at the end, or none; an extra
        one that fails is left out, with a warning and in the summary's ``failed``.
    report : called with the events of the run; where None, warnings are Python warnings
        (``GeoRasterWarning``) and the rest is logged.
    progress : show a bar.
    **options : files beside the map, and how the scene is read and the model run; ``SegmentKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, the outputs or the device; nothing is left behind.
    """
    extras: dict[str, Any] = {
        name: value for name, value in options.items() if name in EXTRA_OUTPUTS
    }
    cleaning, rest = cleaning_of(
        {name: value for name, value in options.items() if name not in EXTRA_OUTPUTS}
    )
    polygon_options, rest = polygon_options_of(rest)
    asked = options_of(
        SegmentOptions,
        settings_of(extras) | rest,
        beside=(
            *EXTRA_OUTPUTS,
            *CleaningKeywords.__annotations__,
            *ObjectKeywords.__annotations__,
        ),
        cleaning=cleaning,
        polygon_options=polygon_options,
    )
    package = None if model is None else package_of(model)
    outputs = Outputs.beside(
        Path(out), {name: _file(name, value) for name, value in extras.items() if value}
    )
    return _run(
        lambda take: SegmentRun(scene_sources(scene), package, outputs, asked, take),
        report,
        progress,
    )


def _file(name: str, value: Any) -> Path | None:
    """Path that an output's keyword names; None where the file is named after the map."""
    unnamed = value is True or EXTRA_OUTPUTS[name].settings(value) is not None
    return None if unnamed else Path(value)


class FeatureKeywords(RunKeywords, total=False):
    """Keywords of computing and storing features.

    Attributes
    ----------
    layer : dotted name of the network's layer; None takes the one that it calls its features.
    packed : store them as int16, each with a scale and offset of its own, instead of float32.
    """

    layer: str | None
    packed: bool


def features(
    scene: SceneSource,
    model: str | Path | Model,
    *,
    out: str | Path,
    error: str | Path | None = None,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[FeatureKeywords],
) -> Summary:
    """Write the features that a model computes of every pixel, one band each; as ``geodl features``.

    Parameters
    ----------
    scene, model, report, progress : as ``segment`` takes them; a model of any task.
    out : raster to make (.tif).
    error : raster of how badly an autoencoder reconstructs each pixel; None leaves it out.
    **options : layer and packed, how the scene is read and the model run; ``FeatureKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, its layer, the outputs or the device; nothing is
        left behind.
    """
    asked = options_of(FeatureOptions, options)
    outputs = FeatureOutputs(Path(out), None if error is None else Path(error))
    package = package_of(model)
    return _run(
        lambda take: FeatureRun(scene_sources(scene), package, outputs, asked, take),
        report,
        progress,
    )


def denoise(
    scene: SceneSource,
    model: str | Path | Model,
    *,
    out: str | Path,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[RunKeywords],
) -> Summary:
    """Write a scene as an autoencoder reconstructs it, in physical values; as ``geodl denoise``.

    Parameters
    ----------
    scene, report, progress : as ``segment`` takes them.
    model : package of an autoencoder.
    out : raster to make (.tif).
    **options : how the scene is read and the model run; ``RunKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, the output or the device; nothing is left behind.
    """
    asked, package = options_of(RunOptions, options), package_of(model)
    return _run(
        lambda take: DenoiseRun(scene_sources(scene), package, Path(out), asked, take),
        report,
        progress,
    )


def scene_sources(scene: SceneSource) -> Sources:
    """Pixels in memory and stacks as a scene; paths as they are, which the run opens with its options."""
    if is_array(scene) or isinstance(scene, TimeStack):
        return as_scene(scene, SceneOptions())
    check_kind(scene)
    return scene  # type: ignore[return-value]


def _run(prepare: Callable[[Report], SceneRun], report: Report | None, progress: bool) -> Summary:
    """Run, and report the limitations that the model's card states."""
    with reporting(report, progress=progress) as take:
        summary = prepare(take).whole()
        for limitation in run_limitations(
            summary.card, summary.model.stem, summary.findings.counts, summary.place
        ):
            take(Warned(limitation))
    return summary
