"""Classes of whole polygons from the zonal statistics of a raster."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import shapely

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, SceneStarted, Warned, no_report
from georaster_dl.core.legend import Legend
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.io.labels.read import is_vector, read_features, read_legend
from georaster_dl.io.labels.zones import RasterizedZones, read_zones, write_zones
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.pixels.classify import Accuracy, Classified, ClassifyOptions
from georaster_dl.pixels.inputs.strips import usable_bands, warn_doubts
from georaster_dl.pixels.inputs.zonal_statistics import zonal_statistics
from georaster_dl.pixels.learn.folds import spatial_blocks
from georaster_dl.pixels.learn.probabilities import ProbabilityModel, fit_probabilities, out_of_fold
from georaster_dl.predict.outputs.staged import staged_outputs
from georaster_dl.predict.progress import Progress

__all__ = ["classify_polygons"]

_CLASS, _PROBABILITY = "class_predicted", "probability"


def classify_polygons(
    features: str,
    polygons: Path,
    out: Path,
    options: ClassifyOptions | None = None,
    report: Report = no_report,
) -> Classified:
    """Train on the polygons that have a class, and predict one for all.

    Parameters
    ----------
    features : path or address of the raster; a polygon is described by mean and deviation of each of
        its bands.
    out : GeoPackage to make: the polygons with all their attributes, ``class_predicted``, its
        ``probability``, and ``p_<class>`` of every class; null where no pixel is valid.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with raster, polygons, options or output; nothing is left behind.
    """
    options = options or ClassifyOptions()
    begun = time.monotonic()
    if polygons.exists() and not is_vector(polygons):
        raise OptionError(
            f"{polygons} is a raster, but learning polygon by polygon needs polygons; learn from single "
            f"pixels instead."
        )
    config = options.config
    scene = usable_bands(open_scene(features, config.scene))
    warn_doubts(scene, report)
    asked = config.labels
    inputs: list[Path | str] = [polygons, *([asked.classes] if asked.classes else [])]
    with staged_outputs(
        [out], inputs, lambda: scene, overwrite=options.overwrite, report=report
    ) as stage:
        legend = read_legend([polygons], asked)
        labels = _labels(polygons, asked, legend)
        frame = read_zones(polygons, asked)
        values = _statistics(scene, frame, str(polygons), report)
        valid = np.asarray(np.isfinite(values).all(axis=1))
        labels = np.where(valid, labels, -1)
        trained = _train(frame, values, labels, legend, options, report)
        probabilities = np.full((len(frame), len(legend.classes)), np.nan)
        probabilities[valid] = trained.model.predict(values[valid])
        write_zones(stage.path(out), frame, _columns(probabilities, valid, legend), legend)
    _warn_without_pixels(valid, report)
    return Classified(
        (out,),
        _counts(probabilities[valid], legend),
        {**trained.model.settings, "trained_on": int((labels >= 0).sum())},
        trained.accuracy,
        scene.shape[0] * scene.shape[1],
        time.monotonic() - begun,
    )


@dataclass(frozen=True)
class _Trained:
    """Fitted model, and its accuracy on polygons that it was not trained on."""

    model: ProbabilityModel
    accuracy: Accuracy | None


def _statistics(
    scene: Scene, frame: geopandas.GeoDataFrame, title: str, report: Report
) -> npt.NDArray[np.float32]:
    """Compute (polygons, 2 x bands) statistics, NaN where a polygon has no valid pixel."""
    rows, cols = scene.shape
    report(SceneStarted("cpu", scene.name, rows, cols))
    zones = RasterizedZones(frame, scene.geobox, title)
    values = zonal_statistics(scene, zones, len(frame), Progress(rows * cols, report))
    if np.isnan(values).any(axis=1).all():
        raise OptionError(
            f"No polygon of {title} has a valid pixel: {scene.name} is nodata or masked there; check "
            f"`nodata=` and the polygons' place."
        )
    return values


def _train(
    frame: geopandas.GeoDataFrame,
    values: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    legend: Legend,
    options: ClassifyOptions,
    report: Report,
) -> _Trained:
    """Train on the polygons with a label that is not -1."""
    labelled = np.flatnonzero(labels >= 0)
    _check_classes(labels[labelled], legend, options.method, report)
    blocks = spatial_blocks(_centres(frame)[labelled])
    arguments: dict[str, Any] = {
        "method": options.method,
        "values": values[labelled],
        "classes": labels[labelled],
        "blocks": blocks,
        "n_classes": len(legend.classes),
        "seed": options.config.seed,
    }
    model = fit_probabilities(**arguments)
    if model is None:
        raise _too_few_classes(legend, labels[labelled])
    return _Trained(model, _accuracy(out_of_fold(**arguments), labels[labelled], blocks, legend))


def _labels(path: Path, options: LabelOptions, legend: Legend) -> npt.NDArray[np.int64]:
    """(polygons,) index into the legend, -1 where a polygon has no class."""
    written = {_CLASS, _PROBABILITY}
    if options.class_field is not None and options.class_field.casefold() in written:
        raise OptionError(
            f"`class_field={options.class_field}` is a column that this run writes; choose the one "
            f"with the classes to learn."
        )
    index: dict[Any, int] = {c.name: i for i, c in enumerate(legend.classes)}
    index |= {c.value: i for i, c in enumerate(legend.classes)}
    label = read_features(path, options)["label"]
    return label.map(index).fillna(-1).to_numpy(np.int64)  # type: ignore[no-any-return]


def _check_classes(
    classes: npt.NDArray[np.int64], legend: Legend, method: str, report: Report
) -> None:
    """Require two classes; warn of those with too few polygons for training."""
    counts = np.bincount(classes, minlength=len(legend.classes))
    fewest = 2 if method == "svm" else 1
    if np.count_nonzero(counts >= fewest) < 2:
        raise _too_few_classes(legend, classes)
    rare = [c.name for c, n in zip(legend.classes, counts, strict=True) if n < fewest]
    if rare:
        message = (
            f"not learnt, because fewer than {counted(fewest, 'polygon')} with a valid pixel have it: "
            f"{', '.join(rare)}"
        )
        report(Warned(message))


def _too_few_classes(legend: Legend, classes: npt.NDArray[np.int64]) -> OptionError:
    counts = np.bincount(classes, minlength=len(legend.classes))
    listed = ", ".join(f"{c.name} {n}" for c, n in zip(legend.classes, counts, strict=True))
    return OptionError(
        f"Two classes with two polygons each are needed, but those on valid pixels are: {listed}; "
        f"label more polygons, or check `class_field=`."
    )


def _centres(frame: geopandas.GeoDataFrame) -> npt.NDArray[np.float64]:
    bounds = shapely.bounds(frame.geometry.to_numpy())
    return np.asarray((bounds[:, :2] + bounds[:, 2:]) / 2, np.float64)


def _warn_without_pixels(valid: npt.NDArray[np.bool_], report: Report) -> None:
    missing = int((~valid).sum())
    if missing:
        message = f"{missing:,} of {counted(len(valid), 'polygon')} without a valid pixel of the raster, so without a class"
        report(Warned(message))


def _columns(
    probabilities: npt.NDArray[np.float64], valid: npt.NDArray[np.bool_], legend: Legend
) -> dict[str, npt.NDArray[Any]]:
    names = np.array(legend.names, dtype=object)
    predicted = np.full(len(probabilities), None, dtype=object)
    predicted[valid] = names[probabilities[valid].argmax(axis=1)]
    of_class = {f"p_{name}": probabilities[:, i] for i, name in enumerate(legend.names)}
    return {_CLASS: predicted, _PROBABILITY: probabilities.max(axis=1), **of_class}


def _counts(probabilities: npt.NDArray[np.float64], legend: Legend) -> dict[str, int]:
    counts = np.bincount(probabilities.argmax(axis=1), minlength=len(legend.classes))
    return dict(zip(legend.names, counts.tolist(), strict=True))


def _accuracy(
    predicted: npt.NDArray[np.int64],
    classes: npt.NDArray[np.int64],
    blocks: npt.NDArray[np.intp],
    legend: Legend,
) -> Accuracy | None:
    """Measure the accuracy out of fold; None where all polygons are in one block."""
    if not (predicted >= 0).any():
        return None
    confusion = Confusion.of(predicted, classes, tuple(legend.names))
    note = f"{counted(confusion.total, 'polygon')}, each predicted from other blocks of {blocks.max() + 1}"
    caution = (
        "Neighbouring blocks touch: polygons at their borders have near neighbours in training."
    )
    return Accuracy(confusion, "out of fold", note, caution)
