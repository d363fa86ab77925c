"""Maps to send."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.api.reporting import reporting
from georaster_dl.core.events import Report, warner

if TYPE_CHECKING:
    from georaster_dl.bundles.run import Bundled

__all__ = ["bundle"]


def bundle(
    map: str | Path,
    *,
    out: str | Path,
    add: Sequence[str | Path] = (),
    overwrite: bool = False,
    report: Report | None = None,
) -> Bundled:
    """Write one archive of a map, its style, a legend picture and a project for QGIS; as ``geodl bundle``.

    Outputs that were made with the map are found by their names (``map_confidence.tif``, ``map.gpkg``,
    ``map_quicklook.png``, ``map.html``); probabilities and prediction sets are left out unless they are added.

    Parameters
    ----------
    map : of classes, or of quantities or fractions that geodl mapped; it is only read.
    out : archive to make (.zip).
    add : further files, as reports and GeoPackages of other names.
    report : as ``segment`` takes it.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the map, the files or the output; nothing is left behind.
    """
    from georaster_dl.bundles.run import bundle as run

    with reporting(report) as take:
        files = [Path(path) for path in add]
        return run(Path(map), Path(out), files, overwrite=overwrite, warn=warner(take))
