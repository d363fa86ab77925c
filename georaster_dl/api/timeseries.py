"""Image time series: stacks of dated scenes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from georaster_dl.api.keywords import SceneKeywords, options_of, plain_value
from georaster_dl.api.model import Model, package_of
from georaster_dl.api.reporting import reporting
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report
from georaster_dl.core.scene_options import SceneOptions, StackOptions
from georaster_dl.io.stacks.open import open_stack as open_described

if TYPE_CHECKING:
    from collections.abc import Sequence

    from georaster_dl.io.stacks.open import StackSource
    from georaster_dl.io.stacks.stack import TimeStack
    from georaster_dl.timeseries.parcels.classify import ClassifiedParcels

__all__ = ["classify_parcels", "open_stack"]


def open_stack(
    source: StackSource,
    *,
    date_pattern: str | None = None,
    indices: Sequence[str] = (),
    since: date | str | None = None,
    until: date | str | None = None,
    **reading: Unpack[SceneKeywords],
) -> TimeStack:
    """Describe a stack of dated scenes of one place without reading their pixels.

    ``segment`` and ``Model.predict`` map it with a model of time series.

    Parameters
    ----------
    source : a folder or pattern of dated scenes, or a list of them; a table (.csv) with the columns path and date; a
        STAC item collection; a cube of NetCDF or Zarr, or of xarray; or a mapping of the names of sensors to such
        sources, each with dates of its own.
    date_pattern : regular expression whose group is the date in a path; None takes the first date in a file's name.
    indices : spectral indices to derive as further bands, such as ``"NDVI"``.
    since, until : first and last date to read, as ``"2023-05-14"``; None takes all.
    **reading : bands, nodata, scale, offset and mask of every scene, as ``SceneKeywords`` describes them.

    Raises
    ------
    SceneError
        When a scene is missing, has no date, or does not fit the others.
    OptionError
        When an option does not fit the scenes, or no scene is of the dates asked for.
    """
    options = StackOptions(
        options_of(SceneOptions, reading), date_pattern, plain_value("indices", tuple(indices))
    )
    stack = open_described(source, options)
    if since is None and until is None:
        return stack
    return stack.between(_day("since", since), _day("until", until))


def classify_parcels(
    stack: StackSource,
    parcels: str | Path,
    model: str | Path | Model,
    *,
    out: str | Path,
    minimum_dates: int | None = None,
    device: str = "auto",
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
) -> ClassifiedParcels:
    """Classify whole parcels from a stack of dated scenes; as ``geodl timeseries classify --parcels``.

    Parameters
    ----------
    stack : of ``open_stack``, or what that takes.
    parcels : vector file of polygons, in any CRS.
    model : package, or loaded model, of time series of pixels or parcels.
    out : GeoPackage to make: the polygons with all their attributes, class, probabilities, clear dates and more.
    minimum_dates : clear dates below which a parcel is flagged; None takes the fewest of the training.
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``.
    overwrite : replace the output where it exists.
    report, progress : as ``segment`` takes them.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with stack, parcels, model or output; nothing is left behind.
    """
    from georaster_dl.timeseries.parcels.classify import ParcelOptions
    from georaster_dl.timeseries.parcels.classify import classify_parcels as run

    options = ParcelOptions(minimum_dates, device, overwrite)
    opened, package = open_described(stack), package_of(model)
    with reporting(report, progress=progress) as take:
        return run(opened, Path(parcels), package, Path(out), options, take)


def _day(name: str, value: date | str | None) -> date | None:
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise OptionError(
            f"`{name}={value!r}` is no date; give year, month and day, as '2023-05-14'."
        ) from None
