"""What a model predicts, mapped: a scene and a model in, styled GeoTIFFs out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.errors import OptionError, SceneError
from georaster_dl.io.aoi import AreaOfInterest
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.polygons import check_polygons_possible, write_polygons
from georaster_dl.io.reader import open_scene
from georaster_dl.io.scene import source_files
from georaster_dl.io.staging import Staging
from georaster_dl.memory import tune_allocators
from georaster_dl.models.card import Card
from georaster_dl.models.package import read_card
from georaster_dl.predict.fit import fit_scene
from georaster_dl.predict.options import Outputs, Report, SegmentOptions, Values
from georaster_dl.predict.overview import write_overview

__all__ = ["Summary", "segment"]


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    pixels : of the scene, valid or not.
    seconds : that it took, loading included.
    device : where the network ran, and in which precision.
    counts : pixels of each class of the map, by name; empty for a quantity.
    values : mean, smallest and largest of a quantity; None for classes.
    """

    outputs: Outputs
    pixels: int
    seconds: float
    device: str
    counts: dict[str, int]
    values: Values | None = None


def segment(
    sources: str | Path | Sequence[str | Path],
    model: Path,
    outputs: Outputs,
    options: SegmentOptions | None = None,
    report: Report = lambda _event, _facts: None,
) -> Summary:
    """Map what a model predicts of a scene: classes, or a quantity.

    Parameters
    ----------
    sources : path or address of the scene, or several single files of it.
    model : model package.
    outputs : files to make. All appear at the end, or none.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, the outputs or the device; nothing is left
        behind.
    """
    options = options or SegmentOptions()
    begun = time.monotonic()
    card = read_card(model)
    _check_outputs(outputs, card)
    scene = fit_scene(open_scene(sources, options.scene), card)
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

        mapping = Mapping(scene, model, outputs, options, stage, report)
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
    return Summary(outputs, rows * cols, seconds, mapping.device.name, found.counts, found.values)


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
