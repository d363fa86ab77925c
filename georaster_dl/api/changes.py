"""Changes between two dates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from georaster_dl.api.keywords import MapKeywords, options_of
from georaster_dl.api.model import Model, package_of
from georaster_dl.api.reporting import reporting
from georaster_dl.api.runs import scene_sources
from georaster_dl.api.scenes import SceneSource
from georaster_dl.core.events import Report
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.predict.options import SegmentOptions

if TYPE_CHECKING:
    from georaster_dl.changes.run import Changed

__all__ = ["change"]


def change(
    before: SceneSource,
    after: SceneSource,
    model: str | Path | Model | None = None,
    *,
    out: str | Path,
    confidence: bool | str | Path = False,
    csv: str | Path | None = None,
    quicklook: str | Path | None = None,
    minimum_confidence: float | None = None,
    reference: str | Path | None = None,
    class_field: str | None = None,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[MapKeywords],
) -> Changed:
    """Map the changes between two dates, by one model's maps of both; as ``geodl change``.

    Parameters
    ----------
    before, after : scenes as ``segment`` takes them, on one grid or whole pixels apart; without a model, paths of
        maps that one model made of them.
    model : name of a bundled model, path of a package, or a loaded model, of classes; None compares maps.
    out : map of changes to make (.tif), on the grid of the first date; nodata where either date is nodata, masked, cloud or
        shadow.
    confidence : whether to make a raster of how sure both classes are, the product of their probabilities; or its
        path, named after the map where True.
    csv : from-to table to make, with areas in hectares.
    quicklook : picture to make of both dates' classes beside the changes (.png).
    minimum_confidence : below which a change is the class "uncertain".
    reference : points with the true change, drawn at random within each class of a map of changes; the table
        then has estimated areas with 95 % intervals.
    class_field : attribute of the reference that holds the change.
    report, progress : as ``segment`` takes them.
    **options : how the scenes are read and the model is run, without record and journal; ``MapKeywords``. Maps
        take ``aoi`` and ``overwrite``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes, model, maps, grids, reference or outputs; nothing is left behind.
    """
    from georaster_dl.changes.options import ChangeOptions, ChangeOutputs, confidence_beside
    from georaster_dl.changes.run import change as run

    named = confidence_beside(Path(out)) if confidence is True else confidence or None
    extras = (None if path is None else Path(path) for path in (named, csv, quicklook))
    asked = ChangeOptions(
        options_of(SegmentOptions, options),
        minimum_confidence,
        None if reference is None else Path(reference),
        LabelOptions(class_field=class_field),
    )
    package = None if model is None else package_of(model)
    with reporting(report, progress=progress) as take:
        return run(
            scene_sources(before),
            scene_sources(after),
            package,
            ChangeOutputs(Path(out), *extras),
            asked,
            take,
        )
