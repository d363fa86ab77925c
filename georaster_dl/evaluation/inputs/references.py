"""References of a map on its grid: labels over areas, or single points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import geopandas
import numpy as np
import numpy.typing as npt
from odc.geo.gcp import GCPGeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.inputs.maps import MapFile
from georaster_dl.io.labels.fractions.read import FractionLabels
from georaster_dl.io.labels.read import ClassLabels, NumberLabels
from georaster_dl.io.vectors.placing import in_coordinates_of
from georaster_dl.io.vectors.points import pixels_of_points

__all__ = ["AreaReference", "Kind", "LabelledPoints", "Pairs", "PointReference", "Reference"]

Kind: TypeAlias = Literal["raster", "polygons", "points"]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of map and reference values in a strip; the arrays have the same shape.

    Attributes
    ----------
    rows, cols : places in the whole map.
    mapped, true : class indexes (negative for none) or numbers (NaN for none); fractions along one more axis,
        the first.
    """

    rows: _Ints
    cols: _Ints
    mapped: npt.NDArray[Any]
    true: npt.NDArray[Any]


class AreaReference:
    """A raster, or polygons burnt onto the map's grid.

    Parameters
    ----------
    labels : the opened labels.
    kind : what they come from.
    lookup : (reference classes,) index among the compared classes; None for numbers and fractions.
    """

    unlabelled = 0
    outside = 0

    def __init__(
        self,
        labels: ClassLabels | NumberLabels | FractionLabels,
        kind: Kind,
        lookup: npt.NDArray[np.int16] | None,
    ) -> None:
        self.kind = kind
        self._labels = labels
        # The last entry answers for index -1, no label.
        self._lookup = None if lookup is None else np.append(lookup, np.int16(-1))

    def pairs(self, rows: slice, mapped: npt.NDArray[Any]) -> Pairs:
        """Every pixel of a strip of whole rows."""
        n_cols = mapped.shape[-1]
        true: npt.NDArray[Any] = self._labels.read(rows, slice(0, n_cols))
        if self._lookup is not None:
            true = self._lookup[true]
        places = np.broadcast_arrays(
            np.arange(rows.start, rows.stop)[:, None], np.arange(n_cols)[None, :]
        )
        return Pairs(places[0], places[1], mapped, true)

    def missed(self) -> tuple[int, int]:
        """How many labelled features cover no pixel's centre, and of how many."""
        return self._labels.missed()

    def close(self) -> None:
        """Close the files."""
        self._labels.close()


class PointReference:
    """Points, each a sample of the pixel that contains it.

    Parameters
    ----------
    opened : the map.
    points : in any CRS.
    label : (points,) class index or number, or (fractions, points).

    Raises
    ------
    OptionError
        When the map has no place on Earth or no point lies on it.
    """

    kind: Kind = "points"

    def __init__(self, opened: MapFile, points: LabelledPoints, label: npt.NDArray[Any]) -> None:
        geobox = opened.geobox
        if isinstance(geobox, GCPGeoBox) or geobox.crs is None:
            raise OptionError(
                f"{opened.path} has no CRS and transform, so points cannot be laid over it; "
                f"georeference it first (gdalwarp)."
            )
        title = f"The reference {points.path}"
        rows, cols = pixels_of_points(points.frame, geobox, title=title)
        n_rows, n_cols = opened.shape
        inside = (rows >= 0) & (rows < n_rows) & (cols >= 0) & (cols < n_cols)
        if not inside.any():
            places = in_coordinates_of(points.frame, geobox, title=title)
            raise OptionError(
                f"None of the {counted(len(points.frame), 'labelled point')} of {points.path} lies on the map "
                f"{opened.path}: they span {_corners(places.total_bounds)} and the map "
                f"{_corners(geobox.extent.geom.bounds)} in the map's CRS; check the points' CRS."
            )
        self.unlabelled = points.unlabelled
        self.outside = int((~inside).sum())
        order = np.flatnonzero(inside)[np.argsort(rows[inside], kind="stable")]
        self._rows, self._cols, self._label = rows[order], cols[order], label[..., order]

    def pairs(self, rows: slice, mapped: npt.NDArray[Any]) -> Pairs:
        """The points of a strip of whole rows."""
        here = slice(*np.searchsorted(self._rows, (rows.start, rows.stop)))
        row, col = self._rows[here], self._cols[here]
        return Pairs(row, col, mapped[..., row - rows.start, col], self._label[..., here])

    def missed(self) -> tuple[int, int]:
        """Every point on the map counts."""
        return 0, 0

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, eq=False)
class LabelledPoints:
    """The points of a file that have a label.

    Attributes
    ----------
    frame : one point a row, its label in the column ``label``.
    unlabelled : how many others the file has.
    """

    path: Path
    frame: geopandas.GeoDataFrame
    unlabelled: int

    def classes(self, legend: Legend, lookup: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """(points,) index among the compared classes.

        Parameters
        ----------
        legend : of the file; labels are values or names of its classes.
        lookup : (legend's classes,) index among the compared classes.
        """
        index: dict[str | int, int] = {c.value: i for i, c in enumerate(legend.classes)}
        index |= {c.name: i for i, c in enumerate(legend.classes)}
        found: npt.NDArray[np.int16] = lookup[[index[label] for label in self.frame["label"]]]
        return found


Reference: TypeAlias = AreaReference | PointReference


def _corners(bounds: npt.ArrayLike) -> str:
    return "({:.6g}, {:.6g}) to ({:.6g}, {:.6g})".format(*np.asarray(bounds))
