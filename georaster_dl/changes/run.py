"""Comparison of two dates: the function behind ``geodl change``."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from georaster_dl import __version__
from georaster_dl.changes.compare import Comparison
from georaster_dl.changes.options import ChangeOptions, ChangeOutputs
from georaster_dl.changes.pair import MapPair, open_pair, source_of
from georaster_dl.changes.scenes import ScenePair
from georaster_dl.changes.table import csv_table, with_estimates
from georaster_dl.changes.transitions import Transition
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned, no_report, warner
from georaster_dl.core.geography import resolution_m
from georaster_dl.core.wording import counted
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.temporary import temporary_name
from georaster_dl.io.output.provenance import labels_of, rejected_tags
from georaster_dl.io.output.staged_raster import StagedRaster, finish_rasters
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.output.view_style import style_by_values
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.io.scenes.checks.shift import Shift
from georaster_dl.io.scenes.reader import Sources
from georaster_dl.io.scenes.scene import source_files
from georaster_dl.io.shown import ShownResult
from georaster_dl.render.qml import write_class_style
from georaster_dl.render.quicklook import write_classes_quicklook

__all__ = ["Changed", "change"]

_STEPS, _NODATA = 250, 255  # of a confidence in uint8
_LONGEST = 1200  # pixels of a side of a picture
_LARGE_SHIFT = 0.5  # pixels
_LARGE_REST = 0.4  # pixels: of the grids of maps, whose contents may be shifted, too


@dataclass(frozen=True, repr=False)
class Changed(ShownResult):
    """Result of a comparison of two dates.

    Attributes
    ----------
    files : that it made, the map of changes last.
    transitions : changes, largest first; then what has not changed, and uncertain pixels.
    hidden : names of the classes that hide the ground, whose pixels are nodata.
    shift : between the two images; None where they have no texture in common, or maps were compared.
    pixels : of the map, nodata included.
    failed : extra outputs that could not be made, each reported as a warning.
    """

    files: tuple[Path, ...]
    transitions: tuple[Transition, ...]
    hidden: tuple[str, ...]
    shift: Shift | None
    pixels: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()

    @property
    def known_share(self) -> float:
        """Share of the map's pixels that are known at both dates."""
        return sum(row.pixels for row in self.transitions) / self.pixels

    @property
    def changed_share(self) -> float:
        """Share of the compared pixels that have changed; NaN where none was compared."""
        known = sum(row.pixels for row in self.transitions)
        changed = sum(row.pixels for row in self.transitions if row.changed)
        return changed / known if known else float("nan")

    def __repr__(self) -> str:
        """File, share of changes and their number, in one line."""
        kinds = sum(row.changed for row in self.transitions)
        return f"<Changed {self.files[-1]}: {100 * self.changed_share:.2f} % changed, {kinds} from-to pairs>"


def change(
    before: Sources,
    after: Sources,
    model: Path | None,
    outputs: ChangeOutputs,
    options: ChangeOptions | None = None,
    report: Report = no_report,
) -> Changed:
    """Map the changes between two dates, by one model's maps of both.

    Both scenes are mapped with all checks of ``segment``, and compared pixel by pixel on the grid of the first. Where either
    is nodata, masked, a cloud or a shadow, the map of changes is nodata.

    Parameters
    ----------
    before, after : scenes, as ``segment`` takes them; without a model, maps that one model made of them.
    model : package of a model of classes; None compares maps.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes, model, maps, grids, reference or outputs; nothing is left behind.
    """
    begun, options = time.monotonic(), options or ChangeOptions()
    scenes = None
    if model is not None:
        folder = temporary_name(outputs.map.parent)
        scenes = ScenePair((before, after), model, options.run, folder, report)
    else:
        options.check_for_maps()
    protect = _inputs(scenes, (before, after), model, options)
    staging = Staging(
        outputs.map,
        extras=outputs.extras,
        overwrite=options.run.overwrite,
        protect=protect,
        warn=warner(report),
    )
    maps = nullcontext(_given_maps((before, after))) if scenes is None else scenes.maps()
    with staging as stage, maps as paths:
        shift = None if scenes is None else scenes.shift()
        _warn_of_shift(shift, scenes, report)
        aoi = options.run.aoi if scenes is None else None  # the maps of scenes have it already
        limit = options.minimum_confidence
        with gdal_environment(), Comparison(open_pair(paths, aoi), limit) as found:
            _check_confidence(found.pair, outputs)
            if scenes is None:
                _warn_of_rest(found.pair, report)
            _write_rasters(stage, outputs, found, _tags(found, options, shift))
            if outputs.quicklook is not None:
                with stage.making(outputs.quicklook) as path:
                    _draw(path, found)
        transitions, pixels = found.transitions(), math.prod(found.pair.geobox.shape)
        if options.reference is not None:
            transitions = with_estimates(
                transitions,
                stage.path(outputs.map),
                options.reference,
                options.labels,
                warner(report),
            )
        if outputs.csv is not None:
            with stage.making(outputs.csv) as path:
                path.write_text(csv_table(transitions, pixels), encoding="utf-8")
    return Changed(
        files=tuple(stage.made([*outputs.extras, outputs.map])),
        transitions=tuple(transitions),
        hidden=found.pair.hidden,
        shift=shift,
        pixels=pixels,
        seconds=time.monotonic() - begun,
        failed=stage.failed,
    )


def _inputs(
    scenes: ScenePair | None,
    sources: tuple[Sources, Sources],
    model: Path | None,
    options: ChangeOptions,
) -> list[Path | str]:
    given = [model, options.reference, options.labels.classes, options.run.aoi]
    inputs: list[Path | str] = [file for file in given if file is not None]
    if scenes is None:
        return [*inputs, *_given_maps(sources)]
    return [*inputs, *(file for scene in scenes.scenes for file in source_files(scene))]


def _given_maps(sources: tuple[Sources, Sources]) -> tuple[Path, Path]:
    for each in sources:
        if not isinstance(each, str | Path):
            raise OptionError(
                f"{each!r} is no file of a map; give two maps that one model made, or name the model that maps "
                f"both scenes (`model=`)."
            )
    return Path(str(sources[0])), Path(str(sources[1]))


def _check_confidence(pair: MapPair, outputs: ChangeOutputs) -> None:
    if outputs.confidence is not None and not pair.sure:
        raise OptionError(
            "`confidence=` needs the confidence of both maps beside them (NAME_confidence.tif); make them again with "
            "it (`segment(confidence=...)`), or leave it out."
        )


def _warn_of_shift(shift: Shift | None, scenes: ScenePair | None, report: Report) -> None:
    """Warn of a shift that makes changes of every border, and where it is unknown."""
    if scenes is None:
        return
    if shift is None:
        report(
            Warned(
                "the shift between the two images is unknown: they have too little texture in common, or too few valid "
                "pixels; compare them by eye before trusting changes along borders"
            )
        )
    elif shift.pixels > _LARGE_SHIFT:
        report(
            Warned(
                f"the second image lies {shift.pixels:.2f} pixels off the first ({shift.rows:+.2f} rows, {shift.cols:+.2f} cols, "
                f"median of {counted(shift.windows, 'window')}, half of them within {shift.spread:.2f}): borders between classes appear as "
                f"changes; register the images first"
            )
        )


def _warn_of_rest(pair: MapPair, report: Report) -> None:
    """Warn where a map is moved by much of a pixel; of scenes the images themselves say how far they are off."""
    rest, (before, after) = pair.placing.rest, pair.maps
    if math.hypot(*rest) > _LARGE_REST:
        report(
            Warned(
                f"{after.path} is moved by {math.hypot(*rest):.2f} pixels onto the grid of {before.path} ({rest[0]:+.2f} rows, "
                f"{rest[1]:+.2f} cols): borders between classes may appear as changes; lay the second scene on the first's "
                f"grid (gdalwarp -r bilinear) and map it again"
            )
        )


def _tags(found: Comparison, options: ChangeOptions, shift: Shift | None) -> dict[str, str]:
    """Make the provenance of the map: model, inputs, hiding classes, and the shift."""
    before, after = found.pair.maps
    limit, uncertain = options.minimum_confidence, found.uncertain
    limits = {} if limit is None else {"minimum_confidence": limit}
    said = {
        **labels_of([before.tags, after.tags]),
        **({} if uncertain is None else rejected_tags(uncertain, **limits)),
        "GEORASTER_DL_VERSION": __version__,
        "GEORASTER_DL_CONTENT": "changes",
        "GEORASTER_DL_MODEL": before.model,
        "GEORASTER_DL_MODEL_SHA256": before.model_sha256,
        "GEORASTER_DL_BEFORE": source_of(before),
        "GEORASTER_DL_AFTER": source_of(after),
        "GEORASTER_DL_HIDDEN": ", ".join(found.pair.hidden),
        "GEORASTER_DL_SHIFT": "" if shift is None else f"{shift.rows:.2f} {shift.cols:.2f}",
        "TIFFTAG_DATETIME": datetime.now(UTC).strftime("%Y:%m:%d %H:%M:%S"),
        "TIFFTAG_SOFTWARE": f"georaster_dl {__version__}",
    }
    return {key: value for key, value in said.items() if value}


def _write_rasters(
    stage: Staging, outputs: ChangeOutputs, found: Comparison, tags: dict[str, str]
) -> None:
    """Write the map of changes and, where asked for, the confidence."""
    legend, geobox = found.legend, found.pair.geobox
    spec = RasterSpec(["change"], legend.dtype, legend.nodata, "mode", legend=legend, tags=tags)
    style = partial(write_class_style, legend=legend)
    with ExitStack() as stack:
        main = stack.enter_context(StagedRaster(stage, outputs.map, geobox, spec, style))
        rasters = [main]
        if outputs.confidence is not None:
            sure = StagedRaster(
                stage, outputs.confidence, geobox, _confidence_spec(tags), style_by_values, rasters
            )
            rasters.append(stack.enter_context(sure))
        for rows, pixels, confidence in found.strips():
            cols = slice(0, pixels.shape[1])
            main.write(rows, cols, pixels[None])
            if confidence is not None:
                stored = np.round(confidence * _STEPS).astype(np.uint8)
                stored[pixels == legend.nodata] = _NODATA
                for raster in rasters[1:]:
                    raster.write(rows, cols, stored[None])
        finish_rasters(rasters)


def _confidence_spec(tags: dict[str, str]) -> RasterSpec:
    content = {"GEORASTER_DL_CONTENT": "confidence of changes"}
    return RasterSpec(
        ["confidence"], "uint8", _NODATA, "average", scale=1 / _STEPS, tags=tags | content
    )


def _draw(path: Path, found: Comparison) -> None:
    """Draw both dates' classes beside the changes."""
    panels, legend, step = found.thinned(_LONGEST)
    size = resolution_m(found.pair.geobox)
    before, after = found.pair.maps
    write_classes_quicklook(
        path,
        panels=panels,
        legend=legend,
        counts={row.name: row.pixels for row in found.transitions()},
        resolution_m=None if size is None else size * step,
        title=f"{source_of(before)} and {source_of(after)}",
    )
