"""What a model predicts, mapped: a scene and a model in, styled GeoTIFFs out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.errors import BandMismatchError, OptionError, SceneError
from georaster_dl.io.aoi import AreaOfInterest
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.polygons import check_polygons_possible, write_polygons
from georaster_dl.io.reader import open_scene
from georaster_dl.io.scene import Scene, source_files
from georaster_dl.io.staging import Staging
from georaster_dl.memory import tune_allocators
from georaster_dl.models.card import Card
from georaster_dl.models.package import read_card
from georaster_dl.predict.choose import choose_model
from georaster_dl.predict.fit import fit_scene
from georaster_dl.predict.options import Outputs, Report, SegmentOptions, Values
from georaster_dl.predict.overview import write_overview
from georaster_dl.predict.plausible import calibration_warning

__all__ = ["Summary", "segment"]

_FIRST_METRICS = 4  # a card states the most telling ones first


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    model, card : that ran; the card narrowed to the bands that the scene has.
    pixels : of the scene, valid or not.
    seconds : that it took, loading included.
    device : where the network ran, and in which precision.
    counts : pixels of each class of the map, by name; empty for a quantity.
    values : mean, smallest and largest of a quantity; None for classes.
    """

    outputs: Outputs
    model: Path
    card: Card
    pixels: int
    seconds: float
    device: str
    counts: dict[str, int]
    values: Values | None = None


def segment(
    sources: str | Path | Sequence[str | Path],
    model: Path | None,
    outputs: Outputs,
    options: SegmentOptions | None = None,
    report: Report = lambda _event, _facts: None,
) -> Summary:
    """Map what a model predicts of a scene: classes, or a quantity.

    Parameters
    ----------
    sources : path or address of the scene, or several single files of it.
    model : model package; None takes the bundled one of Sentinel-2 where it fits.
    outputs : files to make. All appear at the end, or none.
    report : called with ``start``, ``progress`` and ``warning`` events, and first with ``model``
        where none was given.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, the outputs or the device; nothing is left
        behind. Where no model is named, also reflectances that look a tenth too high or too low.
    """
    options = options or SegmentOptions()
    begun = time.monotonic()
    opened = open_scene(sources, options.scene)
    named = model is not None
    model = model or choose_model(opened)
    stated = read_card(model)
    _check_outputs(outputs, stated)
    fit = fit_scene(opened, stated)
    _check_calibration(opened, stated, named, report)
    if not named:
        _tell(stated, report)
    scene, card = fit.scene, fit.card
    if outputs.polygons:
        check_polygons_possible(
            has_gcps=isinstance(scene.geobox, GCPGeoBox),
            has_transform=isinstance(scene.geobox, GeoBox)
            and (scene.geobox.crs is not None or not scene.geobox.affine.is_identity),
        )
    aoi = None if options.aoi is None else AreaOfInterest(options.aoi, scene.geobox)
    files = outputs.all()
    inputs: list[Path | str] = [model, *([options.aoi] if options.aoi else [])]
    # What does not exist yet cannot be an input, and asking costs requests where a scene is remote.
    inputs += source_files(scene) if any(file.exists() for file in files) else []
    with gdal_environment(), Staging(*files, overwrite=options.overwrite, protect=inputs) as stage:
        # Loading torch takes seconds; what can be wrong without it has been checked by now.
        tune_allocators()
        from georaster_dl.predict.mapping import Mapping

        mapping = Mapping(fit, model, outputs, options, stage, report)
        found = mapping.run(None if aoi is None else aoi.mask)
        if found.empty:
            raise SceneError(
                f"{scene.name} has no valid pixel{' in the area of interest' if aoi else ''}: all are "
                f"nodata, NaN or masked; check --nodata and --aoi."
            )
        staged_map = stage.path(outputs.map)
        if outputs.polygons:
            write_polygons(staged_map, stage.path(outputs.polygons), legend=card.legend)
        if outputs.quicklook:
            write_overview(scene, staged_map, stage.path(outputs.quicklook), card, found)
    rows, cols = scene.shape
    seconds = time.monotonic() - begun
    device = mapping.device.name
    return Summary(outputs, model, card, rows * cols, seconds, device, found.counts, found.values)


def _check_calibration(scene: Scene, card: Card, named: bool, report: Report) -> None:
    """Warn of reflectances that cannot be right; who names no model is not let go on with them."""
    # The scene as it came: bands that the model does not read tell of its calibration too.
    warning = calibration_warning(scene) if card.quantity == "reflectance" else None
    if warning is not None and not named:
        raise BandMismatchError(
            f"{warning} If they are right as they are, name the model: -m {card.name}."
        )
    if warning is not None:
        report("warning", {"message": warning})


def _tell(card: Card, report: Report) -> None:
    """Say which model was chosen, and how good it is."""
    metrics = dict(islice(card.metrics.items(), _FIRST_METRICS))
    report("model", {"model": card.name, "version": card.version, "metrics": metrics})


def _check_outputs(outputs: Outputs, card: Card) -> None:
    """Refuse what only classes have where the model predicts a quantity."""
    of_classes = {
        "--probabilities": outputs.probabilities,
        "--confidence": outputs.confidence,
        "--polygons": outputs.polygons,
    }
    asked = [option for option, path in of_classes.items() if path is not None]
    if card.target is not None and asked:
        raise OptionError(
            f"{card.name} predicts {card.target.name}, a quantity without classes, so it has nothing "
            f"for {', '.join(asked)}; leave that out."
        )
