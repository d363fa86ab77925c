"""Cleaning of maps of classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from georaster_dl.api.keywords import CleaningKeywords, options_of
from georaster_dl.api.reporting import reporting
from georaster_dl.cleaning.options import CleaningOptions
from georaster_dl.core.events import Report

if TYPE_CHECKING:
    from georaster_dl.cleaning.run import Cleaned

__all__ = ["clean"]


def clean(
    map: str | Path,
    *,
    out: str | Path,
    probabilities: str | Path | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[CleaningKeywords],
) -> Cleaned:
    """Clean a map of classes: single pixels and small areas go to their neighbours; as ``geodl clean``.

    Parameters
    ----------
    map : that geodl made, or any raster of one band of whole numbers.
    out : cleaned map to make (.tif); classes, colours, provenance and nodata are those of the map.
    probabilities : of the map's classes, for ``smooth``; None takes ``*_probabilities.tif`` beside the map.
    report, progress : as ``segment`` takes them.
    **options : the steps; ``CleaningKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the map, the probabilities, the options or the output; nothing is left behind.
    """
    from georaster_dl.cleaning.run import clean_map
    from georaster_dl.predict.progress import Progress

    asked = options_of(CleaningOptions, options)
    with reporting(report, progress=progress) as take:

        def begin(total: int) -> Callable[[int], None]:
            return Progress(total, take)

        return clean_map(
            Path(map),
            Path(out),
            asked,
            probabilities=None if probabilities is None else Path(probabilities),
            overwrite=overwrite,
            report=take,
            begin=begin,
        )
