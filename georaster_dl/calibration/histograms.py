"""Histograms of certainty: how the probabilities of points vary over the passes of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.text import slug
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.metrics.calibration import class_probabilities
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.vectors.files import check_geometries, read_layer
from georaster_dl.io.vectors.points import pixels_of_points
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.predict.segment import SegmentRun
from georaster_dl.tiling.pixels import PixelPlaces

__all__ = ["BINS", "Histograms", "certainty_histograms", "point_histograms", "read_points"]

BINS = 20
"""Bins of a probability from 0 to 1."""

_SURE = 0.75  # probability beyond which, or below 1 minus which, a pass is decided
_MOST = 0.95  # share of the passes that must be decided alike

_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Histograms:
    """Histograms of points with a measurement.

    Attributes
    ----------
    points : one a row, with the columns of its file.
    names : of the classes.
    counts : (n, classes, 20) passes in each bin of the probability.
    mean : (n, classes) mean probability over the passes.
    verdicts : (n, classes) 1 where nearly all passes give the class 0.75 or more (sure yes), -1 where they
        give it 0.25 or less (sure no), 0 where neither (undecided).
    missed : points beside the scenes, or without a measurement.
    """

    points: geopandas.GeoDataFrame
    names: tuple[str, ...]
    counts: _Counts
    mean: npt.NDArray[np.float64]
    verdicts: npt.NDArray[np.int64]
    missed: int

    def table(self) -> geopandas.GeoDataFrame:
        """Make a table: the most probable class, whether it is sure, and a column a class and bin."""
        first = self.mean.argmax(axis=1)
        rows = np.arange(len(first))
        columns: dict[str, Any] = {
            "mapped": np.array(self.names, object)[first],
            "probability": self.mean[rows, first].round(4),
            "certainty": np.where(self.verdicts[rows, first] == 1, "sure", "undecided"),
        }
        stems = [slug(name) for name in self.names]
        if len(set(stems)) < len(stems):
            stems = [f"{number + 1}_{stem}" for number, stem in enumerate(stems)]
        for index, stem in enumerate(stems):
            for number in range(BINS):
                columns[f"{stem}_{number:02d}"] = self.counts[:, index, number]
        kept = self.points.drop(columns=[name for name in columns if name in self.points])
        return kept.assign(**columns)


def certainty_histograms(probabilities: npt.NDArray[np.floating]) -> _Counts:
    """Count the passes in 20 equal bins of the probability: (n, classes, 20).

    Parameters
    ----------
    probabilities : (n, passes, classes).
    """
    n, _, classes = probabilities.shape
    place = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    counts = np.zeros((n, classes, BINS), np.int64)
    index = np.arange(n)[:, None, None], np.arange(classes)[None, None]
    np.add.at(counts, (*index, place), 1)
    return counts


def read_points(path: Path) -> geopandas.GeoDataFrame:
    """Read the points of a file.

    Raises
    ------
    OptionError
        When the file cannot be read, or holds no points with a CRS.
    """
    title = f"`histograms='{path}'`"
    features = read_layer(
        path,
        title=title,
        kind="points",
        how=f"`histograms=` '{file_of(path)}|layername=NAME'",
        fits=lambda info: "Point" in info["geometry_type"],
    )
    frame = features.frame.explode(ignore_index=True)
    points = frame[frame.geometry.geom_type == "Point"]
    if points.empty or points.crs is None:
        what = "no CRS" if len(points) else f"no points among its {counted(len(frame), 'feature')}"
        raise OptionError(f"{title} has {what}; give points with a CRS.")
    check_geometries(points.geometry, title=title)
    return points


def point_histograms(
    points: geopandas.GeoDataFrame,
    runs: Sequence[SegmentRun],
    names: Sequence[str],
    calibration: Calibration,
) -> Histograms:
    """Run a network several times over the tiles that hold points, and count its probabilities.

    Parameters
    ----------
    runs : of several passes over each scene; of scenes that overlap, the first that has a measurement counts.
    names : of the classes.
    calibration : of the logits of each pass.

    Raises
    ------
    OptionError
        When no point lies on a measurement of any scene.
    """
    found: dict[int, npt.NDArray[np.float32]] = {}
    for run in runs:
        left = np.array([number for number in range(len(points)) if number not in found])
        found |= _logits(points.iloc[left], left, run)
    if not found:
        raise OptionError(
            f"None of the {counted(len(points), 'point')} of `histograms=` lies on a valid pixel of the scenes; "
            f"check their CRS and place."
        )
    numbers = sorted(found)
    logits = np.stack([found[number] for number in numbers])
    n, passes, classes = logits.shape
    each = class_probabilities(logits.reshape(n * passes, 1, classes), calibration)
    probabilities = each.reshape(logits.shape)
    yes = (probabilities >= _SURE).mean(axis=1) >= _MOST
    no = (probabilities <= 1 - _SURE).mean(axis=1) >= _MOST
    return Histograms(
        points=points.iloc[numbers],
        names=tuple(names),
        counts=certainty_histograms(probabilities),
        mean=probabilities.mean(axis=1),
        verdicts=yes.astype(np.int64) - no,
        missed=len(points) - n,
    )


def _logits(
    points: geopandas.GeoDataFrame, numbers: _Counts, run: SegmentRun
) -> dict[int, npt.NDArray[np.float32]]:
    """Logits (passes, classes) of the points on a scene's measurements, by their numbers."""
    scene = run.prepared.match.scene
    if not len(numbers):
        return {}
    row, col = pixels_of_points(points, scene.geobox, title="The points")
    inside = (row >= 0) & (row < scene.shape[0]) & (col >= 0) & (col < scene.shape[1])
    order = np.flatnonzero(inside)[np.argsort(row[inside], kind="stable")]
    if not len(order):
        return {}
    with gdal_environment():
        logits = run.at_pixels(PixelPlaces(row[order], col[order]))
    if logits is None:
        return {}
    known = np.isfinite(logits).all(axis=(1, 2))
    return dict(zip(numbers[order][known].tolist(), logits[known], strict=True))
