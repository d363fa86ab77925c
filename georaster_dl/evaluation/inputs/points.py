"""Random points of a map to be labelled: a sample stratified by the map's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.gcp import GCPGeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import pixel_areas, to_coordinates
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.inputs.maps import MapFile, count_by_row, open_map
from georaster_dl.evaluation.metrics.area import sample_size
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.vectors.points import write_points

__all__ = ["SampleOptions", "Stratum", "allocate", "sample_points"]

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_BLOCK = 4096  # rows per strip at most


@dataclass(frozen=True)
class SampleOptions:
    """How many points, and where they go.

    Attributes
    ----------
    n : points; None finds the number that ``standard_error`` needs.
    minimum_per_class : points that even the rarest class gets.
    standard_error : wanted for the overall accuracy.
    users_accuracy : expected user's accuracy of every class that ``by_class`` does not name, 0-1.
    by_class : the same by class name.
    seed : of the random draw.
    classes : CSV that names the classes of a map which does not.
    """

    n: int | None = None
    minimum_per_class: int = 50
    standard_error: float = 0.01
    users_accuracy: float = 0.8
    by_class: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    classes: Path | None = None


@dataclass(frozen=True)
class Stratum:
    """A mapped class: its share of the map's area, its pixels and the points it gets."""

    name: str
    weight: float
    pixels: int
    points: int


def sample_points(map_path: Path, out: Path, options: SampleOptions | None = None) -> list[Stratum]:
    """Draw a stratified random sample of a map's pixels and write it as points to label.

    Within a class every pixel is equally likely and none is drawn twice. The map is read twice, in
    strips: once to count its classes, once to find the pixels of the ranks drawn. The points come
    in random order, so that their labelling is not led by the map.

    Parameters
    ----------
    map_path : class raster with a CRS.
    out : the GeoPackage, replaced if it exists. Its fields are ``id``, ``map_class``,
        ``map_value``, ``stratum_weight`` (the class's share of the map's area) and the empty text
        field ``class``, to be filled in.

    Returns
    -------
    The classes that occur, in the legend's order.

    Raises
    ------
    GeoRasterError
        When the map cannot be read, has no classes or no place on Earth, or ``n`` is too small.
    """
    options = options or SampleOptions()
    opened = open_map(map_path, options.classes)
    if opened.legend is None:
        raise OptionError(
            f"{map_path} holds numbers, but points are drawn by class; give a map of classes."
        )
    if isinstance(opened.geobox, GCPGeoBox) or opened.geobox.crs is None:
        raise OptionError(
            f"{map_path} has no CRS and transform, so its pixels have no place to visit; "
            f"georeference it first (gdalwarp)."
        )
    if opened.rejected is not None:
        raise OptionError(
            f"{map_path} has pixels without a class of their own ({opened.rejected.name!r}), so points of it "
            f"cannot tell the areas of classes; draw them of a map made without `reject=`."
        )
    with gdal_environment():
        pixels, areas = _counted(opened, opened.legend)
        weights = areas / areas.sum()
        points = allocate(
            pixels,
            weights,
            _wanted(opened.legend, pixels, weights, options),
            options.minimum_per_class,
        )
        generator = np.random.default_rng(options.seed)
        ranks = [
            np.sort(generator.choice(int(have), int(want), replace=False, shuffle=False))
            for have, want in zip(pixels, points, strict=True)
        ]
        rows, cols, classes = _located(opened, opened.legend, ranks)
    order = generator.permutation(len(rows))
    chosen = classes[order]
    xs, ys = to_coordinates(
        opened.geobox.affine, *(places[order].astype(np.float64) + 0.5 for places in (cols, rows))
    )
    fields = {
        "id": np.arange(1, len(order) + 1),
        "map_class": np.array(opened.legend.names, dtype=object)[chosen],
        "map_value": np.array(opened.legend.values)[chosen],
        "stratum_weight": weights[chosen],
        "class": np.full(len(order), None, dtype=object),
    }
    crs = opened.geobox.crs.to_wkt()
    # A class that the map never shows may be the right one.
    offered = sorted((*opened.legend.classes, *opened.unseen), key=lambda entry: entry.value)
    write_points(out, xs, ys, fields, crs=crs, legend=Legend(tuple(offered)))
    kept = pixels.nonzero()[0]
    names = opened.legend.names
    return [Stratum(names[k], float(weights[k]), int(pixels[k]), int(points[k])) for k in kept]


def allocate(pixels: Sequence[int] | _Ints, weights: npt.ArrayLike, n: int, minimum: int) -> _Ints:
    """Points per class: proportional to the weights, but none below the minimum.

    What the rare classes get beyond their share is taken from the others in proportion (Olofsson et
    al. 2014, section 5.1). A class with fewer pixels than its points gives them all.

    Parameters
    ----------
    pixels : (classes,) pixels of each class; one without any gets no point.
    weights : (classes,) share of each class in the map's area.
    n : points in all.
    minimum_per_class : points of the rarest class.

    Returns
    -------
    (classes,) points; they add up to ``n`` where there are as many pixels.

    Raises
    ------
    OptionError
        When ``n`` is not enough for the minimum of every class.
    """
    have, share = np.asarray(pixels, np.int64), np.asarray(weights, np.float64)
    lowest = np.minimum(have, minimum)
    if n < max(1, lowest.sum()) or minimum < 0:
        raise OptionError(
            f"{counted(n, 'point')} cannot do for {counted(int(np.count_nonzero(have)), 'class')} with at least {minimum} "
            f"each; ask for {max(1, lowest.sum())} or more, or lower `minimum_per_class=`."
        )
    n = min(n, int(have.sum()))
    low, high = 0.0, float(n)
    # The points of a class are its share times one factor, held between its two bounds; their sum
    # grows with the factor, which is found by halving.
    share = share / share[have > 0].min()
    for _ in range(200):
        middle = (low + high) / 2
        if np.clip(middle * share, lowest, have).sum() > n:
            high = middle
        else:
            low = middle
    exact = np.clip(low * share, lowest, have)
    points: _Ints = np.floor(exact + 1e-9).astype(np.int64)
    rest = np.where(points < have, exact - points, -1.0)
    points[np.argsort(-rest, kind="stable")[: n - points.sum()]] += 1
    return points


def _wanted(legend: Legend, pixels: _Ints, weights: _Floats, options: SampleOptions) -> int:
    unknown = set(options.by_class) - set(legend.names)
    if unknown:
        raise OptionError(
            f"`users_accuracy=` names {', '.join(sorted(unknown))}, but the map's classes are "
            f"{', '.join(legend.names)}."
        )
    if options.n is not None:
        return options.n
    expected = [options.by_class.get(name, options.users_accuracy) for name in legend.names]
    needed = sample_size(weights.tolist(), expected, options.standard_error)
    return max(needed, 1, int(np.minimum(pixels, options.minimum_per_class).sum()))


def _counted(opened: MapFile, legend: Legend) -> tuple[_Ints, _Floats]:
    """Pixels and ground area of each class."""
    n = len(legend.classes)
    pixels, areas = np.zeros(n, np.int64), np.zeros(n)
    with closing(opened.classes(legend)) as reader:
        for rows in opened.strips(_BLOCK):
            counts = count_by_row(reader.read(rows, slice(0, opened.shape[1])), n)
            pixels += counts.sum(axis=0)
            per_pixel = pixel_areas(opened.geobox, rows)
            areas += counts.sum(axis=0) if per_pixel is None else per_pixel @ counts
    return pixels, areas


def _located(opened: MapFile, legend: Legend, ranks: Sequence[_Ints]) -> tuple[_Ints, _Ints, _Ints]:
    """Find row, col and class of pixels by their rank within their class in reading order."""
    found: list[tuple[_Ints, _Ints, _Ints]] = []
    seen = np.zeros(len(ranks), np.int64)
    width = opened.shape[1]
    with closing(opened.classes(legend)) as reader:
        for rows in opened.strips(_BLOCK):
            flat = reader.read(rows, slice(0, width)).ravel()
            for index, wanted in enumerate(ranks):
                places = np.flatnonzero(flat == index)
                first, last = np.searchsorted(wanted, (seen[index], seen[index] + len(places)))
                at = places[wanted[first:last] - seen[index]]
                found.append((rows.start + at // width, at % width, np.full(len(at), index)))
                seen[index] += len(places)
    row, col, classes = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((col, row))  # the same whatever the strips
    return row[order], col[order], classes[order]
