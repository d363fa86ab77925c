"""Classes of whole polygons, from what a raster holds in each."""

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
from georaster_dl.evaluate.metrics.confusion import Confusion
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.labels.parcels import BurntPolygons, read_parcels, write_parcels
from georaster_dl.io.labels.read import is_vector, read_features, read_legend
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import Scene, source_files
from georaster_dl.pixels.classify import Accuracy, Classified, ClassifyOptions
from georaster_dl.pixels.inputs.parcels import polygon_features
from georaster_dl.pixels.inputs.strips import good_bands, tell_doubts
from georaster_dl.pixels.learn.folds import spatial_blocks
from georaster_dl.pixels.learn.probabilities import ShareModel, fit_shares, out_of_fold
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
    """Learn from the polygons that have a class, and give one to all.

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
    scene = good_bands(open_scene(features, config.scene))
    tell_doubts(scene, report)
    asked = config.labels
    protect: list[Path | str] = [polygons, *([asked.classes] if asked.classes else [])]
    protect += source_files(scene) if out.exists() else []
    with (
        gdal_environment(),
        Staging(out, overwrite=options.overwrite, protect=protect) as stage,
    ):
        legend = read_legend([polygons], asked)
        labels = _labels(polygons, asked, legend)
        frame = read_parcels(polygons, asked)
        values = _described(scene, frame, str(polygons), report)
        known = np.asarray(np.isfinite(values).all(axis=1))
        labels = np.where(known, labels, -1)
        learnt = _learn(frame, values, labels, legend, options, report)
        shares = np.full((len(frame), len(legend.classes)), np.nan)
        shares[known] = learnt.model.predict(values[known])
        write_parcels(stage.path(out), frame, _columns(shares, known, legend), legend)
    _tell_unknown(known, report)
    return Classified(
        (out,),
        _counts(shares[known], legend),
        {**learnt.model.settings, "trained_on": int((labels >= 0).sum())},
        learnt.accuracy,
        scene.shape[0] * scene.shape[1],
        time.monotonic() - begun,
    )


@dataclass(frozen=True)
class _Learnt:
    """What polygons with a class taught, and how well it does on others."""

    model: ShareModel
    accuracy: Accuracy | None


def _described(
    scene: Scene, frame: geopandas.GeoDataFrame, title: str, report: Report
) -> npt.NDArray[np.float32]:
    """(polygons, 2 x bands) of every polygon, NaN where it has no valid pixel."""
    rows, cols = scene.shape
    report(SceneStarted("cpu", scene.name, rows, cols))
    burnt = BurntPolygons(frame, scene.geobox, title)
    values = polygon_features(scene, burnt, len(frame), Progress(rows * cols, report))
    if np.isnan(values).any(axis=1).all():
        raise OptionError(
            f"No polygon of {title} has a valid pixel: {scene.name} is nodata or masked there; check "
            f"`nodata=` and the polygons' place."
        )
    return values


def _learn(
    frame: geopandas.GeoDataFrame,
    values: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    legend: Legend,
    options: ClassifyOptions,
    report: Report,
) -> _Learnt:
    """Learn from the polygons with a label that is not -1."""
    ours = np.flatnonzero(labels >= 0)
    _check_classes(labels[ours], legend, options.method, report)
    blocks = spatial_blocks(_centres(frame)[ours])
    given: dict[str, Any] = {
        "method": options.method,
        "values": values[ours],
        "classes": labels[ours],
        "blocks": blocks,
        "n_classes": len(legend.classes),
        "seed": options.config.seed,
    }
    model = fit_shares(**given)
    if model is None:
        raise _too_few_classes(legend, labels[ours])
    return _Learnt(model, _accuracy(out_of_fold(**given), labels[ours], blocks, legend))


def _labels(path: Path, options: LabelOptions, legend: Legend) -> npt.NDArray[np.int64]:
    """(polygons,) index into the legend, -1 where a polygon has no class."""
    made = {_CLASS, _PROBABILITY}
    if options.class_field is not None and options.class_field.casefold() in made:
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
    """Two classes are needed; those that have too few polygons to be learnt are told."""
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


def _tell_unknown(known: npt.NDArray[np.bool_], report: Report) -> None:
    missing = int((~known).sum())
    if missing:
        message = f"{missing:,} of {counted(len(known), 'polygon')} without a valid pixel of the raster, so without a class"
        report(Warned(message))


def _columns(
    shares: npt.NDArray[np.float64], known: npt.NDArray[np.bool_], legend: Legend
) -> dict[str, npt.NDArray[Any]]:
    names = np.array(legend.names, dtype=object)
    predicted = np.full(len(shares), None, dtype=object)
    predicted[known] = names[shares[known].argmax(axis=1)]
    of_class = {f"p_{name}": shares[:, i] for i, name in enumerate(legend.names)}
    return {_CLASS: predicted, _PROBABILITY: shares.max(axis=1), **of_class}


def _counts(shares: npt.NDArray[np.float64], legend: Legend) -> dict[str, int]:
    counts = np.bincount(shares.argmax(axis=1), minlength=len(legend.classes))
    return dict(zip(legend.names, counts.tolist(), strict=True))


def _accuracy(
    found: npt.NDArray[np.int64],
    classes: npt.NDArray[np.int64],
    blocks: npt.NDArray[np.intp],
    legend: Legend,
) -> Accuracy | None:
    """Agreement out of fold; None where the ground could not be divided."""
    if not (found >= 0).any():
        return None
    confusion = Confusion.of(found, classes, tuple(legend.names))
    note = f"{counted(confusion.total, 'polygon')}, each predicted from other blocks of {blocks.max() + 1}"
    caution = (
        "Neighbouring blocks touch: polygons at their borders have near neighbours in training."
    )
    return Accuracy(confusion, "out of fold", note, caution)
