"""Objects of class maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from georaster_dl.api.keywords import ObjectKeywords
from georaster_dl.api.reporting import reporting
from georaster_dl.core.events import Report, warner
from georaster_dl.objects.options import PolygonOptions

if TYPE_CHECKING:
    from georaster_dl.objects.run import Polygonized

__all__ = ["PolygonKeywords", "polygons"]


class PolygonKeywords(ObjectKeywords, total=False):
    """Keywords of making polygons of a finished map.

    Attributes
    ----------
    boundaries : raster of the probability of a boundary (0 to 1), which separates touching objects in place of narrow
        places, with ``split_touching``.
    confidence : raster whose mean over each polygon becomes a field.
    """

    boundaries: str | Path | None
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
