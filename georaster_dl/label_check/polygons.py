"""Labels as polygons of one class each: those of vector files, or the areas of a raster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import shapely
import shapely.geometry
from rasterio.features import shapes

from georaster_dl.core.legend import Legend
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.labels.read import is_vector, read_features
from georaster_dl.io.vectors.placing import in_degrees
from georaster_dl.proposals.cells import Cells, grid_of
from georaster_dl.training.data.labelled_scenes import LabelledScene, open_labels

__all__ = ["LabelPolygons", "centres", "label_polygons"]

_PIECE = 64  # pixels: a raster's area is judged in squares, since it may be wrong in a part

_Indexes = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class LabelPolygons:
    """Labels of one file, with the scenes that they are of.

    Attributes
    ----------
    frame : features with a CRS and the attributes of their file.
    classes : (n,) index into the legend, -1 where a feature has no class.
    scenes : all that the file is the labels of.
    """

    frame: geopandas.GeoDataFrame
    classes: _Indexes
    scenes: tuple[LabelledScene, ...]
    title: str


def label_polygons(opened: Sequence[LabelledScene], legend: Legend) -> list[LabelPolygons]:
    """Read the labels of scenes as polygons, points or lines of one class each.

    Connected pixels of a class in a raster become polygons, cut at squares of 64 pixels.

    Raises
    ------
    GeoRasterError
        When labels cannot be read, or a scene with a label raster has no place on Earth.
    """
    found = []
    for file in dict.fromkeys(each.labels for each in opened if each.labels is not None):
        scenes = tuple(each for each in opened if each.labels == file)
        if is_vector(file):
            found.append(_of_vector(file, scenes, legend))
        else:
            found += [_of_raster(file, each, legend) for each in scenes]
    return found


def _of_vector(file: Path, scenes: tuple[LabelledScene, ...], legend: Legend) -> LabelPolygons:
    options: LabelOptions = scenes[0].options
    frame = read_features(file, options)
    index: dict[Any, int] = {c.name: i for i, c in enumerate(legend.classes)}
    index |= {c.value: i for i, c in enumerate(legend.classes)}
    classes = frame["label"].map(index).fillna(-1).to_numpy(np.intp)
    return LabelPolygons(frame.drop(columns="label"), classes, scenes, str(file))


def _of_raster(file: Path, scene: LabelledScene, legend: Legend) -> LabelPolygons:
    grid = grid_of(scene.scene)
    whole = slice(0, scene.scene.shape[0]), slice(0, scene.scene.shape[1])
    with gdal_environment(), open_labels(scene) as labels:
        classes = labels.read(*whole)
    pieces = Cells(scene.scene.shape, _PIECE).read(*whole)
    n = len(legend.classes)
    numbered = np.where(classes >= 0, pieces * n + classes, -1).astype(np.int32)
    areas = list(shapes(numbered, mask=classes >= 0, transform=grid.affine))
    of_areas = np.array([int(value) % n for _, value in areas], np.intp)
    frame = geopandas.GeoDataFrame(
        {"class": np.array(legend.names, object)[of_areas]},
        geometry=[shapely.geometry.shape(shape) for shape, _ in areas],
        crs=None if grid.crs is None else grid.crs.to_wkt(),
    )
    return LabelPolygons(frame, of_areas, (scene,), str(file))


def centres(polygons: Sequence[LabelPolygons]) -> npt.NDArray[np.float64]:
    """Centres (n, 2) of all polygons in one CRS: their own, or longitude and latitude of several."""
    frames = [each.frame[["geometry"]] for each in polygons]
    if len({frame.crs for frame in frames}) > 1:
        frames = [in_degrees(frame) for frame in frames]
    bounds = np.concatenate([shapely.bounds(frame.geometry.to_numpy()) for frame in frames])
    return np.asarray((bounds[:, :2] + bounds[:, 2:]) / 2, np.float64)
