"""Objects of class maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from georaster_dl.api.reporting import reporting
from georaster_dl.core.events import Report, warner
from georaster_dl.objects.options import PolygonOptions

if TYPE_CHECKING:
    from georaster_dl.objects.run import Polygonized

__all__ = ["PolygonKeywords", "polygons"]


class PolygonKeywords(TypedDict, total=False):
    """Keywords of making polygons.

    Attributes
    ----------
    keep, drop : names of the classes to make polygons of, or to leave out.
    min_area : smallest area with its unit (``"50m2"``, ``"0.5ha"``, ``"9px"``); smaller ones are merged into the neighbour
        with the longest shared border.
    fill_holes : largest area of holes to fill, with its unit.
    simplify : tolerance in pixels; shared borders stay shared.
    smooth : round corners.
    confidence : raster whose mean over each polygon becomes a field.
    """

    keep: str | Sequence[str]
    drop: str | Sequence[str]
    min_area: str | None
    fill_holes: str | None
    simplify: float | None
    smooth: bool
    confidence: str | Path | None


def polygons(
    map: str | Path,
    *,
    out: str | Path,
    overwrite: bool = False,
    report: Report | None = None,
    **options: Unpack[PolygonKeywords],
) -> Polygonized:
    """Write the objects of a class map as polygons; as ``geodl polygons``.

    Parameters
    ----------
    map : raster of one band of classes, as ``segment`` makes it; nodata makes no polygons.
    out : GeoPackage to make.
    report : as ``segment`` takes it.
    **options : classes, cleaning and outlines; ``PolygonKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the map, the options or the output; nothing is left behind.
    """
    from georaster_dl.objects.run import polygons as run

    asked = PolygonOptions.of(options)
    with reporting(report) as take:
        return run(Path(map), Path(out), asked, overwrite=overwrite, warn=warner(take))
