"""Tables of maps per area."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.api.reporting import reporting
from georaster_dl.core.events import Report

if TYPE_CHECKING:
    from georaster_dl.area_tables.run import ZonalTable

__all__ = ["zonal"]


def zonal(
    map: str | Path,
    areas: str | Path,
    *,
    out: str | Path | None = None,
    name_field: str | None = None,
    areas_layer: str | None = None,
    points: str | Path | None = None,
    classes: str | Path | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
) -> ZonalTable:
    """Make a table of a map per area, of pixels weighted by the share that it covers; as ``geodl zonal``.

    Parameters
    ----------
    map : of classes, of numbers or of fractions, with a CRS.
    areas : polygons in any CRS.
    out : ``.csv`` with a row for each area and class (or quantity), or ``.gpkg`` with a feature for each area;
        None makes no file, and the result's ``frame`` has the rows.
    name_field : field with the areas' names; None takes the first text field.
    areas_layer : of the file of areas.
    points : labelled points of ``sample-points``, drawn from this map: areas in hectares are estimated with
        95 % intervals (Olofsson et al. 2014) where every mapped class has two points or more.
    classes : CSV that names the classes of a map which does not.
    report, progress : as ``segment`` takes them.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the map, the areas, the points or the output; nothing is left behind.
    """
    from georaster_dl.area_tables.run import ZonalOptions
    from georaster_dl.area_tables.run import zonal as run
    from georaster_dl.predict.progress import Progress

    options = ZonalOptions(
        name_field,
        areas_layer,
        None if points is None else Path(points),
        None if classes is None else Path(classes),
        overwrite,
    )
    with reporting(report, progress=progress) as take:

        def begin(total: int) -> Callable[[int], None]:
            return Progress(total, take)

        return run(Path(map), Path(areas), None if out is None else Path(out), options, take, begin)
