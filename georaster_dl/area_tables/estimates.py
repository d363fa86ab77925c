"""Areas of classes estimated within areas, by points with a known design."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted, listed
from georaster_dl.evaluation.metrics.area import Z_95, estimate_areas
from georaster_dl.io.vectors.files import read_layer
from georaster_dl.io.vectors.placing import in_coordinates_of

__all__ = ["Estimate", "ReferencePoints"]

_FEWEST = 2  # points of each mapped class, of which a variance can be estimated
_FIELDS = ("map_value", "class")


@dataclass(frozen=True)
class Estimate:
    """Estimated areas of the classes within an area.

    Attributes
    ----------
    points : labelled points in it.
    areas, half_widths : (classes,) estimate, and half the width of its 95 % interval, in the unit of the
        mapped areas; None where too few points lie there.
    note : why there is none; empty where there is one.
    """

    points: int
    areas: npt.NDArray[np.float64] | None = None
    half_widths: npt.NDArray[np.float64] | None = None
    note: str = ""


class ReferencePoints:
    """Points that were drawn at random within each class of a map, and labelled.

    Parameters
    ----------
    path : file as ``geodl sample-points`` made it, with its field ``class`` filled in.
    legend : classes of the map.
    geobox : grid of the map.

    Attributes
    ----------
    names : classes of the legend, and behind them those that only the labels have.
    unlabelled : points without a label, which count for nothing.

    Raises
    ------
    OptionError
        When it cannot be read, has no points with such fields, or no label.
    """

    def __init__(self, path: Path, legend: Legend, geobox: Georeference) -> None:
        title = f"The points {path}"
        frame = read_layer(path, title=title, kind="points").frame
        missing = [name for name in _FIELDS if name not in frame]
        if missing or not len(frame) or set(frame.geom_type) != {"Point"}:
            raise OptionError(
                f"{title} are not those of a known design ({', '.join(missing) or 'other geometries'} missing); give the file that "
                f"`geodl sample-points` made, with its field class filled in."
            )
        placed = in_coordinates_of(frame, geobox, title=title)
        labels = [None if _is_empty(text) else str(text).strip() for text in frame["class"]]
        known = np.array([label is not None for label in labels])
        if not known.any():
            raise OptionError(f"{title} have no label yet; fill in the field class.")
        self.unlabelled = int((~known).sum())
        self._places = placed.geometry.to_numpy()
        self._path, self._geobox = path, geobox
        self._values = frame["map_value"].to_numpy()
        self._known = known
        index = {name.casefold(): i for i, name in enumerate(legend.names)}
        names = list(legend.names)
        for label in labels:
            if label is not None and label.casefold() not in index:
                index[label.casefold()] = len(names)
                names.append(label)
        self.names = tuple(names)
        self._truth = np.array([index[x.casefold()] if x is not None else -1 for x in labels])
        self._mapped = np.full(len(frame), -1)
        self._legend = legend

    def see(self, rows: slice, classes: npt.NDArray[np.int16]) -> None:
        """Look up the map's classes (rows, cols) at the points in these rows.

        Raises
        ------
        OptionError
            When a point was drawn as another class: of another map, that is.
        """
        inverse: Any = ~self._geobox.affine  # type: ignore[union-attr]
        x, y = shapely.get_x(self._places), shapely.get_y(self._places)
        col = np.floor(inverse.a * x + inverse.b * y + inverse.c).astype(int)
        row = np.floor(inverse.d * x + inverse.e * y + inverse.f).astype(int)
        here = (row >= rows.start) & (row < rows.stop) & (col >= 0) & (col < classes.shape[1])
        found = classes[row[here] - rows.start, col[here]]
        values = np.array([*self._legend.values, -1])[found]
        if (values != self._values[here]).any():
            drawn, is_now = next(
                (a, b) for a, b in zip(self._values[here], values, strict=True) if a != b
            )
            raise OptionError(
                f"The points {self._path} were drawn from another map: one was drawn as class {drawn}, and the map has "
                f"{'nodata' if is_now < 0 else is_now} there; give the map that they were drawn from."
            )
        self._mapped[here] = found

    def estimate(self, shape: shapely.Geometry, mapped: npt.NDArray[np.float64]) -> Estimate:
        """Estimate the areas within a polygon.

        Within it the points of each class are a random sample, too (Olofsson et al. 2014, with the area's own
        classes as strata).

        Parameters
        ----------
        shape : in the CRS of the map.
        mapped : (classes of the legend,) mapped areas within it.
        """
        inside = shapely.covers(shape, self._places) & self._known & (self._mapped >= 0)
        n, n_mapped = len(self.names), len(mapped)
        pairs = self._mapped[inside] * n + self._truth[inside]
        counts = np.bincount(pairs, minlength=n * n).reshape(n, n)
        strata = counts.sum(axis=1)[:n_mapped]
        points = int(strata.sum())
        short = [i for i in range(n_mapped) if mapped[i] > 0 and strata[i] < _FEWEST]
        if short:
            texts = [f"{self.names[i]} {strata[i]}" for i in short]
            return Estimate(points, note=f"too few points: {listed(texts, 4)} of {_FEWEST} needed")
        areas = np.concatenate([mapped, np.zeros(n - n_mapped)])
        if not areas.sum() > 0:
            return Estimate(points, note="nothing is mapped here")
        found = estimate_areas(counts, areas)
        return Estimate(points, found.areas, Z_95 * found.areas_se)

    @property
    def remark(self) -> str:
        """Caution about points without a label; empty where there are none."""
        if not self.unlabelled:
            return ""
        return (
            f"{counted(self.unlabelled, 'point')} of {len(self._known)} have no label and count for nothing; if they were "
            f"left out because they were hard to tell, the estimates are biased"
        )


def _is_empty(text: Any) -> bool:
    return pd.isna(text) or not str(text).strip()
