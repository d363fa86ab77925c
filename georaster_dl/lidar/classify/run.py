"""Classes of the points of a file: from a map's model and heights, or from a forest of points."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.core.events import Report, Started, no_report, warner
from georaster_dl.core.wording import listed
from georaster_dl.io.files.temporary import working_folder
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.lidar.classify.codes import codes_of
from georaster_dl.lidar.classify.copy import KEEP, check_codes, copy_with_classes
from georaster_dl.lidar.classify.features import FEATURES
from georaster_dl.lidar.classify.squares import features_of_tile
from georaster_dl.lidar.classify.train import SOURCE
from georaster_dl.lidar.options import GroundFrom, RasterOptions
from georaster_dl.lidar.raster.cells import BANDS
from georaster_dl.lidar.raster.grid import cells_of, grid_of
from georaster_dl.lidar.raster.run import lidar_raster, points_counter
from georaster_dl.lidar.tiles import GROUND, UNITS_PER_METRE, TileSet, open_tiles, read_points
from georaster_dl.pixels.learn.classifier import Classifier
from georaster_dl.pixels.learn.saved import SUFFIX, load_classifier

__all__ = ["ClassifiedPoints", "ClassifyOptions", "classify_points_of_tile"]

_UNCLASSIFIED = 1
_NEAR_M = 0.5
_OBJECTS = (3, 4, 5, 6)
"""Vegetation and buildings, of whose cells the points near the terrain are ground."""


@dataclass(frozen=True)
class ClassifyOptions:
    """Settings of classifying points.

    Attributes
    ----------
    codes : codes of the classes of a map, by name, where their names do not say them.
    ground : where the terrain comes from; as of ``RasterOptions``. Forests of points always take the filter.
    crs : of a file that states none.
    device : for a network.
    """

    codes: Mapping[str, int] = field(default_factory=dict)
    ground: GroundFrom = "filter"
    crs: str | None = None
    device: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True)
class ClassifiedPoints:
    """Result of classifying points.

    Attributes
    ----------
    files : the copy.
    counts : points of each class that were given one, by code.
    kept : noise and withheld points, whose class stayed.
    """

    files: tuple[Path, ...]
    counts: Mapping[int, int]
    kept: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def classify_points_of_tile(
    path: Path,
    model: Path,
    output: Path,
    options: ClassifyOptions | None = None,
    report: Report = no_report,
) -> ClassifiedPoints:
    """Write a copy of a file of points with the classes of a model; all else stays as it is.

    Noise (classes 7 and 18) and withheld points keep their class.

    Parameters
    ----------
    path : LAS, LAZ or COPC file.
    model : package of a network for bands of ``lidar_raster``, or a forest of ``train_points`` (.skops).
    output : LAS or LAZ file to make.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the file, the model, the options or the output; nothing is left behind.
    """
    options, begun = options or ClassifyOptions(), time.monotonic()
    with Staging(
        output, overwrite=options.overwrite, protect=[path, model], warn=warner(report)
    ) as stage:
        cloud = open_tiles([path], crs=options.crs, warn=warner(report))
        report(Started("cpu"))
        with working_folder(stage.path(output).parent) as folder:
            codes = np.memmap(folder / "codes", np.int16, "w+", shape=(cloud.count,))
            codes[:] = KEEP
            method = _by_forest if model.suffix == SUFFIX else _by_map
            for index, found in method(cloud, model, folder, options, report):
                codes[index] = found
            copy_with_classes(path, stage.path(output), codes, points_counter(cloud.count, report))
            given, counts = np.unique(codes, return_counts=True)
    by_code = dict(zip(given.tolist(), counts.tolist(), strict=True))
    kept = by_code.pop(KEEP, 0)
    return ClassifiedPoints((output,), by_code, kept, time.monotonic() - begun, stage.failed)


_Coded = Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.integer]]]


def _by_forest(
    cloud: TileSet, model: Path, folder: Path, _options: ClassifyOptions, report: Report
) -> _Coded:
    """Classify points by their features, square by square."""
    (tile,) = cloud.tiles
    forest = load_forest(model, report)
    check_codes(tile.path, set(forest.legend.values))
    progress = points_counter(cloud.count, report)
    with features_of_tile(cloud, tile, folder) as squares:
        for points, values in squares:
            yield points["index"], forest.predict(values)
            progress(len(points))


def load_forest(model: Path, report: Report) -> Classifier:
    """Read a forest of points.

    Raises
    ------
    ModelPackageError
        When the file is none, or is a classifier of pixels.
    """
    forest = load_classifier(model, warner(report))
    names = tuple(band.name for band in forest.bands)
    if forest.source != SOURCE or names != FEATURES:
        raise ModelPackageError(
            f"{model} is no forest of points of this version, but a classifier of {listed(names, 4)}; train one with "
            f"`train(task='lidar')`."
        )
    return forest


def _by_map(
    cloud: TileSet, model: Path, folder: Path, options: ClassifyOptions, report: Report
) -> _Coded:
    """Map the bands of the points, and give each point the class of its cell unless its height forbids it."""
    from georaster_dl.models.package.file import read_card
    from georaster_dl.predict.options import Outputs, SegmentOptions
    from georaster_dl.predict.segment import segment

    (tile,) = cloud.tiles
    card = read_card(model)
    foreign = [band.name for band in card.bands if band.name not in BANDS]
    if not card.classes or card.resolution_m is None or foreign:
        raise OptionError(
            f"{card.name} predicts {card.predicts} from {listed([band.name for band in card.bands], 4)}, but points "
            f"need a model of classes, trained on bands of `geodl lidar raster`."
        )
    legend = card.legend
    of_value = codes_of(legend, options.codes)
    check_codes(tile.path, set(of_value.values()))
    side, crs = card.resolution_m[0], None if cloud.crs is None else cloud.crs.to_wkt()
    bands, mapped = folder / "bands.tif", folder / "map.tif"
    lidar_raster([tile.path], bands, RasterOptions(cell=side, ground=options.ground, crs=crs))
    segment(bands, model, Outputs(mapped), SegmentOptions(device=options.device), report)
    with open_dataset(str(mapped)) as dataset:
        classes = dataset.read(1)
    with open_dataset(str(bands)) as dataset:
        terrain = dataset.read(BANDS.index("dtm") + 1)
    table = np.full(2**16, _UNCLASSIFIED, np.int16)
    table[list(of_value)] = list(of_value.values())
    grid = grid_of(cloud, side)
    for points in read_points(cloud, tile):
        rows, cols = cells_of(grid, points.x, points.y)
        height = points.z / UNITS_PER_METRE - terrain[rows, cols]
        yield points.index, with_heights(table[classes[rows, cols]], height)


def with_heights(
    codes: npt.NDArray[np.int16], height: npt.NDArray[np.floating]
) -> npt.NDArray[np.int16]:
    """Correct the codes of cells by the heights of points above the terrain, in metres.

    Near the terrain (0.5 m) points of buildings and vegetation are ground; above it, points of cells of ground are
    unclassified: wires, cars and the edges of roofs.
    """
    near = height <= _NEAR_M
    objects = np.isin(codes, _OBJECTS)
    found = np.where(objects & near, GROUND, codes)
    return np.where((codes == GROUND) & ~near, _UNCLASSIFIED, found).astype(np.int16)
