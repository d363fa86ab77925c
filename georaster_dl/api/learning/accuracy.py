"""Accuracy of maps: of their pixels, and of their objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from georaster_dl.api.keywords import LabelKeywords, options_of
from georaster_dl.api.reporting import reporting
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.scene_options import FractionOptions, LabelOptions
from georaster_dl.evaluation.compare import EvaluateOptions
from georaster_dl.evaluation.compare import evaluate as compare
from georaster_dl.evaluation.objects.options import ObjectOptions, Tolerance
from georaster_dl.evaluation.objects.result import ObjectEvaluation
from georaster_dl.evaluation.objects.run import evaluate_objects as compare_objects
from georaster_dl.evaluation.report.fractions import FractionEvaluation
from georaster_dl.evaluation.report.result import Evaluation, NumberEvaluation

__all__ = ["evaluate", "evaluate_objects"]


def evaluate(
    mapped: str | Path,
    reference: str | Path,
    *,
    fraction_fields: Sequence[str] = (),
    block: int | None = None,
    seed: int = 0,
    html: str | Path | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    **labels: Unpack[LabelKeywords],
) -> Evaluation | NumberEvaluation | FractionEvaluation:
    """Estimate the accuracy of a map against a reference, with confidence intervals; as ``geodl evaluate``.

    Parameters
    ----------
    mapped : single-band raster of classes or of floating-point numbers, or a band for each fraction of a pixel.
    reference : raster, or vector file of polygons, lines or points.
    fraction_fields : attributes of vector labels, or bands of a raster, that hold the fractions of a pixel, for a map
        of fractions; those of the map's names are compared. Several bands of any map are then fractions.
    block : side in pixels of the blocks that are resampled for intervals; None makes about 100.
    seed : of the resampling.
    html : page with figures and pictures to make; None makes none.
    overwrite : replace that page where it exists.
    report : as ``segment`` takes it.
    **labels : how the reference is read; ``LabelKeywords``.

    Returns
    -------
    An Evaluation for a map of classes, a NumberEvaluation for one of numbers, a FractionEvaluation for one of
    fractions; ``to_dict()`` gives all figures.

    Raises
    ------
    GeoRasterError
        When a file cannot be read, or nothing can be compared: no common ground, no common class.
    """
    options = EvaluateOptions(
        options_of(FractionOptions, labels, fraction_fields=tuple(fraction_fields)), block, seed
    )
    evaluation = compare(Path(mapped), Path(reference), options)
    with reporting(report) as take:
        for warning in evaluation.warnings:
            take(Warned(warning))
    if html is not None:
        from georaster_dl.evaluation.report.html import render_report
        from georaster_dl.io.output.staging import Staging

        page, path = render_report(evaluation), Path(html)
        inputs = [Path(mapped), Path(reference)]
        with Staging(path, overwrite=overwrite, protect=inputs) as stage:
            stage.path(path).write_text(page, encoding="utf-8", errors="backslashreplace")
    return evaluation


def evaluate_objects(
    mapped: str | Path,
    reference: str | Path,
    *,
    aoi: str | Path | None = None,
    tolerance: str | None = None,
    block: int | None = None,
    seed: int = 0,
    matches: str | Path | None = None,
    html: str | Path | None = None,
    image: str | Path | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    **labels: Unpack[LabelKeywords],
) -> ObjectEvaluation:
    """Compare mapped objects with those of a reference; as ``geodl evaluate --objects``.

    Parameters
    ----------
    mapped : raster of classes, or polygons with ``class_name`` and, if any, ``confidence``.
    reference : polygons in any CRS, or a raster of classes or a mask.
    aoi : polygons of the ground whose objects are compared; None takes what both files cover.
    tolerance : distance up to which outlines are right, as ``"2px"`` or ``"1.5m"``; None takes 2 pixels, and 1 metre
        where both are polygons.
    block : side of the blocks that are resampled for intervals, in pixels; None makes about 100.
    seed : of the resampling.
    matches : GeoPackage to make, with layers of matched, false and missed objects; None makes none.
    html : page with figures and a picture to make; None makes none.
    image : scene to draw the objects over on that page.
    overwrite : replace these files where they exist.
    report : as ``segment`` takes it.
    **labels : how the reference is read; ``LabelKeywords``. With a ``class_name``, the map's objects of that class are
        compared with all features of the reference.

    Returns
    -------
    Scores of each class and of all together; ``to_dict()`` gives all figures, ``objects`` the matched, false and missed ones.

    Raises
    ------
    GeoRasterError
        When a file cannot be read, or nothing can be compared: no common ground, no common class.
    """
    from georaster_dl.evaluation.objects.layers import write_layers
    from georaster_dl.evaluation.objects.page import render_objects
    from georaster_dl.io.output.staging import Staging

    given = [None if each is None else Path(each) for each in (matches, html, aoi, image)]
    layers, page, area, picture = given
    options = ObjectOptions(
        options_of(LabelOptions, labels),
        area,
        None if tolerance is None else Tolerance.of(tolerance),
        block,
        seed,
    )
    inputs = [each for each in (Path(mapped), Path(reference), area, picture) if each is not None]
    outputs = [each for each in (layers, page) if each is not None]
    with Staging(*outputs, overwrite=overwrite, protect=inputs) as stage:
        evaluation = compare_objects(Path(mapped), Path(reference), options)
        if layers is not None:
            write_layers(stage.path(layers), evaluation)
        if page is not None:
            text = render_objects(evaluation, image=picture)
            stage.path(page).write_text(text, encoding="utf-8", errors="backslashreplace")
    with reporting(report) as take:
        for warning in evaluation.warnings:
            take(Warned(warning))
    return evaluation
