"""Land-cover segmentation: a scene and a model in, styled GeoTIFFs out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.errors import SceneError
from georaster_dl.io.aoi import AreaOfInterest
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.polygons import check_polygons_possible, write_polygons
from georaster_dl.io.reader import open_scene
from georaster_dl.io.scene import source_files
from georaster_dl.io.staging import Staging
from georaster_dl.memory import tune_allocators
from georaster_dl.models.package import read_card
from georaster_dl.predict.fit import fit_scene
from georaster_dl.predict.options import Outputs, Report, SegmentOptions
from georaster_dl.predict.overview import write_overview

__all__ = ["Summary", "segment"]


@dataclass(frozen=True)
class Summary:
    """What a run did: pixels of the scene, seconds, device, and pixels of each class."""

    outputs: Outputs
    pixels: int
    seconds: float
    device: str
    counts: dict[str, int]


def segment(
    sources: str | Path | Sequence[str | Path],
    model: Path,
    outputs: Outputs,
    options: SegmentOptions | None = None,
    report: Report = lambda _event, _facts: None,
) -> Summary:
    """Map the land cover of a scene.

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
        counts = mapping.run(None if aoi is None else aoi.mask)
        if not any(counts.values()):
            raise SceneError(
                f"{scene.name} has no valid pixel{' in the area of interest' if aoi else ''}: all are "
                f"nodata, NaN or masked; check --nodata and --aoi."
            )
        staged_map = stage.path(outputs.map)
        if outputs.polygons:
            write_polygons(staged_map, stage.path(outputs.polygons), legend=card.legend)
        if outputs.quicklook:
            write_overview(
                scene,
                staged_map,
                stage.path(outputs.quicklook),
                legend=card.legend,
                counts=counts,
            )
    rows, cols = scene.shape
    return Summary(outputs, rows * cols, time.monotonic() - begun, mapping.device.name, counts)
