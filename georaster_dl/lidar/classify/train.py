"""Forests of points, trained on classified tiles and judged on squares of them held out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Progressed, Report, Started, no_report, warner
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.core.wording import listed
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.lidar.classify.features import FEATURES, RADIUS_M
from georaster_dl.lidar.classify.squares import features_of_tile
from georaster_dl.lidar.tiles import TileSet, open_tiles
from georaster_dl.pixels.learn.classifier import Classifier
from georaster_dl.pixels.learn.saved import save_classifier
from georaster_dl.render.palette import choose_colors

__all__ = ["ASPRS", "SOURCE", "PointForest", "train_points"]

ASPRS = {
    "ground": (2,),
    "low vegetation": (3,),
    "medium vegetation": (4,),
    "high vegetation": (5,),
    "building": (6,),
    "water": (9,),
    "bridge": (17,),
}
"""Classes that are learnt where points have them, with their codes."""
SOURCE = "points of LiDAR"
_BLOCK_M = 100.0
_TEST_SHARE = 0.2
_MOST_POINTS = 200_000
_FEWEST = 50
_TREES = 100
_LEAF = 5


@dataclass(frozen=True)
class PointForest:
    """Result of training a forest of points.

    Attributes
    ----------
    files : the forest.
    classes : codes that each class was learnt from, by name; the first is written to points.
    accuracy, mean_iou : on the squares that were held out.
    iou : of each class there, by name.
    training, test : points that it learnt from, and was judged on.
    """

    files: tuple[Path, ...]
    classes: Mapping[str, tuple[int, ...]]
    accuracy: float
    mean_iou: float
    iou: Mapping[str, float | None]
    training: int
    test: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


@dataclass(frozen=True)
class _Sample:
    """Features, class indexes and blocks of points."""

    values: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    test: npt.NDArray[np.bool_]


def train_points(
    tiles: Sequence[Path],
    output: Path,
    *,
    classes: Mapping[str, Sequence[int]] | None = None,
    crs: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    report: Report = no_report,
) -> PointForest:
    """Train a random forest of local features on classified tiles.

    Squares of 100 m (smaller in small tiles), a fifth of them drawn at random, are held out and give the accuracy; the
    forest that is written has not seen them. The same seed gives the same forest.

    Parameters
    ----------
    tiles : LAS or LAZ files whose points have classes of ASPRS.
    output : file to make (.skops).
    classes : codes that make each class, by name; the first code is written to points. None takes the classes of
        ``ASPRS`` that the tiles have.
    crs : of files that state none.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the files, the classes or the output; nothing is left behind.
    """
    begun = time.monotonic()
    wanted = {name: tuple(codes) for name, codes in (ASPRS if classes is None else classes).items()}
    _check_classes(wanted)
    with Staging(output, overwrite=overwrite, protect=tiles, warn=warner(report)) as stage:
        cloud = open_tiles(tiles, crs=crs, warn=warner(report))
        report(Started("cpu"))
        sample = _draw(cloud, wanted, seed, stage.path(output).parent, report)
        sample, wanted = _present(sample, wanted, optional=classes is None, warn=warner(report))
        classifier, confusion = _fit(sample, wanted, seed)
        save_classifier(stage.path(output), classifier)
    test = int(sample.test.sum())
    return PointForest(
        (output,), wanted, confusion.overall_accuracy, confusion.mean_iou, dict(classifier.iou),
        len(sample.test) - test, test, time.monotonic() - begun, stage.failed,
    )  # fmt: skip


def _check_classes(classes: Mapping[str, tuple[int, ...]]) -> None:
    codes = [code for each in classes.values() for code in each]
    if len(classes) < 2 or not all(classes.values()) or len(set(codes)) < len(codes):
        raise OptionError(
            f"`classes={dict(classes)}` needs two classes or more, each with codes of its own; give them as "
            f"{{'ground': [2], 'building': [6]}}."
        )
    if min(codes) < 0 or max(codes) > 255:
        raise OptionError(f"Codes of classes are 0 to 255, but got {sorted(set(codes))}.")


def _draw(
    cloud: TileSet, classes: Mapping[str, tuple[int, ...]], seed: int, folder: Path, report: Report
) -> _Sample:
    """Draw points of all files, with features, classes and the part that each belongs to."""
    index = np.full(256, -1)
    for number, codes in enumerate(classes.values()):
        index[list(codes)] = number
    share = min(1.0, 2 * _MOST_POINTS / cloud.count)
    parts: list[_Sample] = []
    begun = time.monotonic()
    for done, tile in enumerate(cloud.tiles, start=1):
        with features_of_tile(cloud, tile, folder, share=share, seed=seed) as squares:
            for points, values in squares:
                known = index[points["klass"]] >= 0
                parts.append(
                    _Sample(
                        values[known],
                        index[points["klass"][known]],
                        _held_out(points[known], cloud, seed),
                    )
                )
        left = (time.monotonic() - begun) / done * (len(cloud.tiles) - done)
        report(Progressed(done, len(cloud.tiles), round(left, 1)))
    if not parts:
        raise OptionError(
            "The tiles have no points that could be learnt from; give classified ones."
        )
    return _Sample(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.test for part in parts]),
    )


def _held_out(points: npt.NDArray[Any], cloud: TileSet, seed: int) -> npt.NDArray[np.bool_]:
    """Mark points of the squares that are held out; a square is drawn by its place."""
    side = _block_m(cloud) / cloud.unit_m
    cols, rows = (np.floor(points[name] / side).astype(np.int64) for name in "xy")
    # A hash of the square (Teschner et al. 2003), so that it does not depend on the files.
    mixed = (cols * 73_856_093) ^ (rows * 19_349_663) ^ (seed * 83_492_791)
    drawn: npt.NDArray[np.bool_] = (mixed ^ (mixed >> 13)) % 1000 < _TEST_SHARE * 1000
    return drawn


def _block_m(cloud: TileSet) -> float:
    """Side of a square that is held out whole: smaller where the tiles are small, but wider than neighbourhoods."""
    left, bottom, right, top = cloud.box
    longest = max(right - left, top - bottom) * cloud.unit_m
    return min(_BLOCK_M, max(longest / 8, 2 * RADIUS_M))


def _present(
    sample: _Sample,
    classes: dict[str, tuple[int, ...]],
    *,
    optional: bool,
    warn: Callable[[str], None],
) -> tuple[_Sample, dict[str, tuple[int, ...]]]:
    """Keep the classes with points in both parts.

    Raises
    ------
    OptionError
        Where a class that was asked for has none, or fewer than two have any.
    """
    counts = [
        np.bincount(sample.classes[part], minlength=len(classes))
        for part in (sample.test, ~sample.test)
    ]
    kept = np.flatnonzero(np.minimum(*counts) >= _FEWEST)
    names = list(classes)
    missing = [name for number, name in enumerate(names) if number not in kept]
    if len(kept) < 2 or (missing and not optional):
        raise OptionError(
            f"The tiles hold {listed([f'{name} {a + b}' for name, a, b in zip(names, *counts, strict=True)], 10)} "
            f"points that were drawn, but a class needs {_FEWEST} to learn from and {_FEWEST} to be tested on; give "
            f"tiles with more of {listed(missing, 5)}, or fewer classes."
        )
    few = [name for name in missing if sum(count[names.index(name)] for count in counts)]
    if few:
        warn(
            f"{listed(few, 5)} {'is' if len(few) == 1 else 'are'} not learnt: fewer than {_FEWEST} points of "
            f"{'it' if len(few) == 1 else 'each'} to learn from or to be tested on"
        )
    new = np.full(len(classes), -1)
    new[kept] = np.arange(len(kept))
    known = new[sample.classes] >= 0
    taken = _Sample(sample.values[known], new[sample.classes[known]], sample.test[known])
    return taken, {names[number]: classes[names[number]] for number in kept}


def _fit(
    sample: _Sample, classes: Mapping[str, tuple[int, ...]], seed: int
) -> tuple[Classifier, Confusion]:
    """Fit the forest on one part and judge it on the other."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = tuple(classes)
    learnt = np.flatnonzero(~sample.test)
    drawn = np.random.default_rng(seed).permutation(learnt)[:_MOST_POINTS]
    shares = np.bincount(sample.classes[drawn], minlength=len(names)) / len(drawn)
    forest = RandomForestClassifier(
        _TREES,
        min_samples_leaf=_LEAF,
        # Rare classes count more than their share, but not as much as the frequent: between both the mean IoU is best.
        class_weight={number: float(share**-0.5) for number, share in enumerate(shares)},
        random_state=seed,
        n_jobs=-1,
    )
    pipeline = make_pipeline(StandardScaler(), forest)
    pipeline.fit(sample.values[drawn], sample.classes[drawn])
    forest.set_params(n_jobs=None)
    confusion = Confusion.of(
        pipeline.predict(sample.values[sample.test]), sample.classes[sample.test], names
    )
    colors = choose_colors(names)
    legend = Legend(
        tuple(
            MapClass(classes[name][0], name, color)
            for name, color in zip(names, colors, strict=True)
        )
    )
    bands = tuple(Band(name, modality="lidar") for name in FEATURES)
    iou = {name: float(value) for name, value in zip(names, confusion.iou, strict=True)}
    return Classifier("rf", bands, legend, True, SOURCE, pipeline, iou=iou), confusion
