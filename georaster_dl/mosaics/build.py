"""Mosaic maps of neighbouring scenes, describe them as a STAC collection, or both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from georaster_dl import __version__
from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.atomic import check_local
from georaster_dl.io.output.provenance import joined_tags
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.output.view_style import style_by_tags
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.io.shown import ShownResult
from georaster_dl.mosaics.grid import Layout, check_one_grid, check_size, lay_out
from georaster_dl.mosaics.maps import MosaicMap, check_together, models_of, open_map, spec_of
from georaster_dl.mosaics.order import Rule, confidence_of, in_order
from georaster_dl.mosaics.stac import Catalogue, FindModel
from georaster_dl.mosaics.tif import write_tif
from georaster_dl.mosaics.vrt import write_vrt
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.run import write_objects
from georaster_dl.render.qml import write_class_style

__all__ = ["MosaicOptions", "Mosaicked", "mosaic"]

_MOST_NAMED = 6


@dataclass(frozen=True)
class MosaicOptions:
    """How maps are joined.

    Attributes
    ----------
    order_by : which map is taken where several hold data: the first named, the newest, or pixel by pixel
        the most confident.
    crs : of the mosaic; None takes that of the first map.
    fill_class : names of classes that are taken only where no map holds another, as clouds; a text may
        list several, with commas between them.
    polygons : GeoPackage of the mosaic's objects to make beside a ``.tif``.
    polygon_options : how its areas become polygons.
    """

    order_by: Rule = "order"
    crs: str | None = None
    overwrite: bool = False
    fill_class: tuple[str, ...] = ()
    polygons: Path | None = None
    polygon_options: PolygonOptions = field(default_factory=PolygonOptions)


@dataclass(frozen=True)
class Mosaicked(ShownResult):
    """Result of a run.

    Attributes
    ----------
    files : that it made.
    maps : those taken first where they overlap, before the others.
    shape : rows, cols of the mosaic; None where none was made.
    failed : what was to be made beside the mosaic (its style, polygons, the STAC collection) and could not be;
        each was warned of.
    """

    files: tuple[Path, ...]
    maps: list[Path]
    shape: tuple[int, int] | None
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def mosaic(
    paths: Sequence[Path],
    output: Path | None,
    options: MosaicOptions | None = None,
    *,
    stac: Path | None = None,
    find_model: FindModel = lambda _digest: None,
    warn: Callable[[str], None] = lambda _message: None,
    begin: Callable[[int], Callable[[int], None]] = lambda _total: lambda _done: None,
) -> Mosaicked:
    """Join maps, describe them as a STAC collection, or both.

    Parameters
    ----------
    paths : maps with the same classes, or of the same quantities.
    output : a ``.vrt``, which refers to the maps and needs all of them on one grid, or a ``.tif`` with
        pixels of its own, for which maps of other grids are resampled to the nearest pixel. The grid
        is that of the first map, the extent that of all.
    stac : folder of the collection.
    find_model : STAC item of the model with weights of a digest, as ``Catalogue`` takes it.
    warn : called with every warning.
    begin : called with the pixels to do; returns the function that is called with those done.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the maps, the options or the outputs; nothing is left behind.
    """
    begun, options = time.monotonic(), options or MosaicOptions()
    _check_asked(paths, output, options, stac)
    with gdal_environment():
        maps = [open_map(Path(path)) for path in paths]
        check_together(maps)
        unwanted = _unwanted(maps[0], options.fill_class)
        _check_polygons(maps[0], options)
        ordered = in_order(maps, options.order_by)
        layout = None if output is None else lay_out(maps, ordered, options.crs)
        if layout is not None and output is not None:
            _check_layout(layout, maps[0], output)
        _warn_of_models(maps, warn)
        described = None if stac is None else Catalogue(stac, maps, find_model)
        catalogue = [] if described is None else described.files
        staging = Staging(
            *(catalogue if output is None else [output]),
            extras=[*([] if output is None else catalogue), *filter(None, [options.polygons])],
            overwrite=options.overwrite,
            protect=_inputs(maps, options),
            warn=warn,
        )
        with _folder(stac), staging as stage:
            progress = begin(
                0 if layout is None else layout.geobox.shape[0] * layout.geobox.shape[1]
            )
            if output is not None and layout is not None:
                spec = spec_of(maps[0], _tags(ordered, options))
                by_confidence = options.order_by == "confidence"
                _write(stage, output, layout, spec, by_confidence, unwanted, progress)
                if options.polygons is not None and spec.legend is not None:
                    with stage.making(options.polygons) as path:
                        classes = spec.legend.classes
                        asked = options.polygon_options
                        write_objects(stage.path(output), path, asked, stated=classes, warn=warn)
            if described is not None:
                *items, collection = catalogue
                with stage.making(collection, *items):
                    described.write(stage.path)
    files = stage.made([*catalogue, *filter(None, [options.polygons, output])])
    shape = None if layout is None else (layout.geobox.shape[0], layout.geobox.shape[1])
    order, seconds = [one.path for one in ordered], time.monotonic() - begun
    return Mosaicked(tuple(files), order, shape, seconds, stage.failed)


def _check_asked(
    paths: Sequence[Path], output: Path | None, options: MosaicOptions, stac: Path | None
) -> None:
    if output is None and stac is None:
        raise OptionError(
            "Nothing is asked for: give a mosaic to make (`output=mosaic.tif` or `output=mosaic.vrt`), "
            "`stac=FOLDER`, or both."
        )
    if output is None and (
        options.order_by != "order"
        or options.crs is not None
        or options.fill_class
        or options.polygons
    ):
        raise OptionError(
            "`order_by=`, `fill_class=`, `crs=` and `polygons=` are for a mosaic, but only `stac=` is asked for; add `output=`."
        )
    if _is_vrt(output):
        _check_for_vrt(options)
    seen: set[Path] = set()
    for path in paths:
        if Path(path).resolve() in seen:
            raise OptionError(f"The map {path} is named twice; name each once.")
        seen.add(Path(path).resolve())


def _check_for_vrt(options: MosaicOptions) -> None:
    if options.crs is not None:
        raise OptionError(
            "A .vrt joins maps as they are, so `crs=` is not for it; end the name in .tif."
        )
    if options.polygons is not None:
        raise OptionError(
            "`polygons=` needs a mosaic with pixels of its own; end its name in .tif, or outline the .vrt afterwards (geodl polygons)."
        )
    if options.order_by == "confidence" or options.fill_class:
        asked = "`order_by='confidence'`" if options.order_by == "confidence" else "`fill_class=`"
        raise OptionError(
            f"{asked} decides pixel by pixel, which a .vrt cannot; end the name in .tif."
        )


def _check_polygons(base: MosaicMap, options: MosaicOptions) -> None:
    asked = options.polygon_options
    if options.polygons is None:
        if asked != PolygonOptions():
            name = next(one.name for one in fields(asked) if getattr(asked, one.name))
            raise OptionError(
                f"`{name}=` is of polygons; ask for these with `polygons=`, or leave it out."
            )
        return
    if base.legend is None:
        raise OptionError(
            f"`polygons=` outlines classes, but {base.path} is a map of a quantity; leave it out."
        )
    asked.dropped_values(base.legend)


def _check_layout(layout: Layout, base: MosaicMap, output: Path) -> None:
    if _is_vrt(output):
        check_one_grid(layout, base)
    else:
        check_size(layout, len(base.names) * np.dtype(base.dtype).itemsize, output)


def _unwanted(base: MosaicMap, fill_class: Sequence[str]) -> list[int]:
    """Values of the classes to fill."""
    if not fill_class:
        return []
    if base.legend is None:
        raise OptionError(
            f"`fill_class=` names classes, but {base.path} is a map of a quantity; leave it out."
        )
    values = dict(zip(base.legend.names, base.legend.values, strict=True))
    # Some classes have a comma in their name.
    names = [
        name
        for text in fill_class
        for name in ([text] if text in values else map(str.strip, text.split(",")))
    ]
    unknown = [name for name in names if name not in values]
    if unknown:
        raise OptionError(
            f"`fill_class=` names {', '.join(map(repr, unknown))}, but the maps' classes are "
            f"{', '.join(map(repr, values))}; name some of these."
        )
    return [values[name] for name in names]


def _is_vrt(output: Path | None) -> bool:
    return output is not None and output.suffix.lower() == ".vrt"


def _warn_of_models(maps: Sequence[MosaicMap], warn: Callable[[str], None]) -> None:
    models = models_of(maps)
    if len(models) > 1:
        listing = "; ".join(
            f"{name or 'unknown'}{f' ({digest[:12]})' if digest else ''}: "
            + listed([one.path.name for one in made], _MOST_NAMED)
            for (name, digest), made in models.items()
        )
        warn(f"the maps come from {len(models)} models, so their borders may show: {listing}")


def _inputs(maps: Sequence[MosaicMap], options: MosaicOptions) -> list[Path]:
    beside = [confidence_of(one) for one in maps] if options.order_by == "confidence" else []
    return [*(one.path for one in maps), *beside]


@contextmanager
def _folder(path: Path | None) -> Iterator[None]:
    """Make a folder where it is missing, and take it away again where nothing came into it."""
    if path is None or path.is_dir():
        yield
        return
    check_local(path)
    try:
        path.mkdir()
    except OSError as error:
        raise explain_os_error(error, path) from error
    try:
        yield
    finally:
        with suppress(OSError):  # it is not empty
            path.rmdir()


def _tags(ordered: Sequence[MosaicMap], options: MosaicOptions) -> dict[str, str]:
    names, digests = zip(*models_of(ordered), strict=True)
    said = {
        "GEORASTER_DL_VERSION": __version__,
        "GEORASTER_DL_CONTENT": "map",
        "GEORASTER_DL_MAPS": " ".join(one.path.name for one in ordered),
        "GEORASTER_DL_RULE": options.order_by,
        "GEORASTER_DL_WITHOUT": ",".join(options.fill_class),
        "GEORASTER_DL_MODEL": "; ".join(dict.fromkeys(filter(None, names))),
        "GEORASTER_DL_MODEL_SHA256": " ".join(dict.fromkeys(filter(None, digests))),
        **joined_tags([one.tags for one in ordered]),
        "TIFFTAG_DATETIME": datetime.now(UTC).strftime("%Y:%m:%d %H:%M:%S"),
        "TIFFTAG_SOFTWARE": f"georaster_dl {__version__}",
    }
    return {key: value for key, value in said.items() if value}


def _write(
    stage: Staging,
    output: Path,
    layout: Layout,
    spec: RasterSpec,
    by_confidence: bool,
    fill_classes: Sequence[int],
    progress: Callable[[int], None],
) -> None:
    path = stage.path(output)
    if _is_vrt(output):
        write_vrt(path, layout, spec, final=output, styling=stage.styling(output))
        return
    write_tif(
        path,
        layout,
        spec,
        by_confidence=by_confidence,
        fill_classes=fill_classes,
        progress=progress,
    )
    with stage.styling(output):
        if spec.legend is None:
            style_by_tags(path, spec.tags)
        else:
            write_class_style(path, spec.legend)
