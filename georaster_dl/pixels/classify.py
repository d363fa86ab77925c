"""Maps of classes from single pixels, by a classifier that is trained on labels or was saved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from georaster_dl.core.bands import match_bands
from georaster_dl.core.errors import BandMismatchError
from georaster_dl.core.events import Report, SceneStarted, Warned, no_report, warner
from georaster_dl.core.geography import centre_of
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.labels.read import LabelOptions, labels_digest
from georaster_dl.io.output.provenance import feature_source, labels_tags, provenance
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.scenes.checks.calibration import training_warning
from georaster_dl.io.scenes.reader import Sources, open_scene
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.shown import ShownResult
from georaster_dl.models.package.limitations import far_warning, iou_figures, poor_classes_warning
from georaster_dl.pixels.inputs.labelled import LabelledRaster, Pixels, draw_pixels, open_labelled
from georaster_dl.pixels.inputs.strips import warn_doubts
from georaster_dl.pixels.learn.classifier import Classifier, Method, fit_pipeline, pixels_per_class
from georaster_dl.pixels.learn.saved import load_classifier, save_classifier
from georaster_dl.pixels.mapping import ChannelRaster, channel, in_threads, map_pixels
from georaster_dl.predict.outputs.kinds import class_spec
from georaster_dl.predict.outputs.output_raster import ClassCounts, class_raster
from georaster_dl.predict.outputs.staged import staged_outputs
from georaster_dl.predict.progress import Progress
from georaster_dl.tiling.split_blocks import PARTS, TEST, TRAIN, VALIDATION
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig

__all__ = ["Accuracy", "Classified", "ClassifyOptions", "apply_classifier", "classify"]


@dataclass(frozen=True)
class ClassifyOptions:
    """How to learn.

    Attributes
    ----------
    config : how labels and raster are read, the split and the seed, as a training has them.
    save : file for the classifier, for ``apply_classifier``.
    """

    method: Method = "svm"
    config: TrainConfig = field(default_factory=TrainConfig)
    save: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Accuracy:
    """Accuracy on labelled pixels or polygons that were not used for training.

    Attributes
    ----------
    confusion : of map and labels.
    part : what was measured on.
    note : how the labels were split.
    caution : limits of the figures; empty where there are none.
    """

    confusion: Confusion
    part: str
    note: str
    caution: str = ""


@dataclass(frozen=True, repr=False)
class Classified(ShownResult):
    """Result of a classification.

    Attributes
    ----------
    files : written files.
    counts : pixels (or polygons) of each class, by name.
    settings : of the classifier, some of them chosen in validation.
    accuracy : None where a saved classifier was used.
    pixels : of the raster, valid or not.
    failed : extra outputs, and styles, that could not be written; each was reported as a warning.
    """

    files: tuple[Path, ...]
    counts: dict[str, int]
    settings: Mapping[str, Any]
    accuracy: Accuracy | None
    pixels: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()

    def __repr__(self) -> str:
        """File, accuracy and classes, in one line."""
        measured = "not measured"
        if self.accuracy is not None:
            measured = f"mIoU {self.accuracy.confusion.mean_iou:.3f} ({self.accuracy.part})"
        counts = ", ".join(f"{name} {n:,}" for name, n in self.counts.items() if n)
        return f"<Classified {self.files[-1]}: {measured}; {counts}>"


def classify(
    features: str,
    labels: Path,
    out: Path,
    options: ClassifyOptions | None = None,
    report: Report = no_report,
) -> Classified:
    """Learn classes from the labelled pixels of a raster and map all of it.

    Training pixels are drawn class by class; the accuracy is measured on the validation or test part.

    Parameters
    ----------
    features : path or address of the raster; any bands will do.
    labels : raster or vector file.
    out : map to make (COG), with the classes and colours of the labels.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with raster, labels, options or outputs; nothing is left behind.
    """
    options = options or ClassifyOptions()
    begun = time.monotonic()
    config = options.config
    scene_options = config.scene
    extras = [] if options.save is None else [options.save]
    inputs: list[Path | str] = [labels, *_classes_file(config)]
    files = [*extras, out]
    with staged_outputs(
        files,
        inputs,
        lambda: open_scene(features, scene_options),
        overwrite=options.overwrite,
        report=report,
    ) as stage:
        with CacheFolder(stage.path(out)) as folder:
            pair = SceneWithLabels(features, labels)
            labelled = open_labelled(pair, config, folder, warner(report))
            per_class = pixels_per_class(options.method, len(labelled.legend.classes))
            drawn = draw_pixels(labelled, per_class, config.seed)
        report(_started(labelled.cached.scene))
        names = tuple(labelled.legend.names)
        pipeline, settings = fit_pipeline(
            options.method, drawn[TRAIN], drawn[VALIDATION], names, config.seed
        )
        settings = {**settings, "trained_on": len(drawn[TRAIN].classes)}
        scene = labelled.cached.scene
        physical = all(plane.calibrated for plane in scene.planes)
        source = feature_source(scene)
        record = _labels_record(labels, labelled.cached.options)
        classifier = Classifier(
            options.method, scene.bands, labelled.legend, physical, source, pipeline, record
        )
        accuracy = _accuracy(classifier, drawn, labelled)
        classifier = _with_test_figures(classifier, accuracy, scene)
        if options.save is not None:
            with stage.making(options.save) as saved:
                save_classifier(saved, classifier)
        parameters = {**settings, "seed": config.seed, "labels": labels.name}
        counts = _map(scene, scene_options, classifier, out, stage, report, parameters)
    rows, cols = scene.shape
    seconds = time.monotonic() - begun
    written = tuple(stage.made(files))
    return Classified(written, counts, settings, accuracy, rows * cols, seconds, stage.failed)


def apply_classifier(
    features: Sources,
    saved: Path,
    out: Path,
    scene_options: SceneOptions,
    *,
    overwrite: bool = False,
    report: Report = no_report,
) -> Classified:
    """Map a raster with a classifier that ``classify`` saved.

    Parameters
    ----------
    features : path or address of a raster that has the classifier's bands, or several of one scene, which
        are stacked as ``open_scene`` does.
    scene_options : metadata that the file lacks or states wrongly.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with raster, classifier or output; nothing is left behind.
    """
    begun = time.monotonic()
    classifier = load_classifier(saved, warner(report))
    opened = open_scene(features, scene_options)
    scene = _matching_scene(opened, classifier, saved)
    warn_doubts(scene, report)
    scaler = classifier.pipeline[0]
    warning = training_warning(scene, scaler.mean_, scaler.scale_)
    if warning is not None:
        report(Warned(warning))
    with staged_outputs(
        [out], [saved], lambda: opened, overwrite=overwrite, report=report
    ) as stage:
        report(_started(scene))
        parameters = {"classifier": saved.name}
        counts = _map(scene, scene_options, classifier, out, stage, report, parameters)
    present = [name for name, pixels in counts.items() if pixels]
    for doubt in (
        poor_classes_warning(saved.stem, iou_figures(classifier.iou), present),
        far_warning(saved.stem, classifier.places, centre_of(scene.geobox)),
    ):
        if doubt is not None:
            warner(report)(doubt)
    rows, cols = scene.shape
    seconds = time.monotonic() - begun
    return Classified((out,), counts, {}, None, rows * cols, seconds, stage.failed)


def _labels_record(labels: Path, options: LabelOptions) -> dict[str, str]:
    digest = labels_digest(labels, options, numbers=False)
    return {"labels": file_of(labels).name, "labels_sha256": digest}


def _classes_file(config: TrainConfig) -> list[Path]:
    return [] if config.labels.classes is None else [config.labels.classes]


def _started(scene: Scene) -> SceneStarted:
    rows, cols = scene.shape
    return SceneStarted("cpu", scene.name, rows, cols)


def _matching_scene(scene: Scene, classifier: Classifier, saved: Path) -> Scene:
    """Select the classifier's bands, as physical or stored values like those of its training."""
    try:
        scene = scene.select(match_bands(classifier.bands, scene.bands))
    except BandMismatchError as error:
        raise BandMismatchError(f"{scene.name} does not fit {saved}: {error}") from error
    source = feature_source(scene)
    if source != classifier.source:
        raise BandMismatchError(
            f"{scene.name} holds {_features_of(source)}, but {saved} was trained on "
            f"{_features_of(classifier.source)}; make them with the same model and layer."
        )
    raw = [plane.band.name for plane in scene.planes if not plane.calibrated]
    if classifier.physical and raw:
        raise BandMismatchError(
            f"{scene.name} holds numbers without scale and offset (band {raw[0]}), but {saved} was "
            f"trained on physical values; state what they mean with `scale=` and `offset=`."
        )
    return scene if classifier.physical else scene.as_stored()


def _features_of(source: str) -> str:
    return f"features of {source}" if source else "no features of a model"


def _accuracy(
    classifier: Classifier, drawn: Mapping[int, Pixels], labelled: LabelledRaster
) -> Accuracy:
    part = TEST if TEST in drawn else VALIDATION
    names = tuple(labelled.legend.names)
    pixels = drawn[part]
    predicted = in_threads(lambda values: [classifier.indexes(values)], pixels.values)[0]
    caution = [labelled.split.caution]
    if part == VALIDATION:
        caution.append("No part was left for testing: the accuracy is that of the validation part.")
    confusion = Confusion.of(predicted, pixels.classes, names)
    note = f"{labelled.split.note}; {counted(len(pixels.classes), 'pixel')}"
    return Accuracy(confusion, PARTS[part], note, " ".join(filter(None, caution)))


def _with_test_figures(classifier: Classifier, accuracy: Accuracy, scene: Scene) -> Classifier:
    """Add the IoU of each class and the place, for warnings about later maps."""
    confusion, centre = accuracy.confusion, centre_of(scene.geobox)
    figures = zip(confusion.names, confusion.iou, confusion.referenced, strict=True)
    iou = {name: round(float(value), 4) for name, value, labelled in figures if labelled}
    return replace(classifier, iou=iou, places=() if centre is None else (centre,))


def _map(
    scene: Scene,
    scene_options: SceneOptions,
    classifier: Classifier,
    out: Path,
    stage: Staging,
    report: Report,
    parameters: Mapping[str, Any],
) -> dict[str, int]:
    """Write the map; gives the pixels of each class by name."""
    legend = classifier.legend
    tags = provenance(scene, scene_options, model=classifier.method, parameters=parameters)
    tags |= labels_tags(classifier.labels)
    rows, cols = scene.shape
    counts = ClassCounts(legend)
    raster: ChannelRaster = class_raster(class_spec("classes", legend), channel(0), counts)
    progress = Progress(rows * cols, report)
    map_pixels(
        scene, lambda values: [classifier.predict(values)], {out: raster}, stage, tags, progress
    )
    return counts.by_name()
