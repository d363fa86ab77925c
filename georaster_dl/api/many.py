"""Batches of scenes, and mosaics of maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from georaster_dl.api.keywords import (
    CleaningKeywords,
    MapKeywords,
    ObjectKeywords,
    cleaning_of,
    options_of,
    polygon_options_of,
)
from georaster_dl.api.model import Model
from georaster_dl.api.reporting import reporting
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Event, MosaicStarted, Report, Warned, warner
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.predict.options import SegmentOptions
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS

if TYPE_CHECKING:
    from georaster_dl.batches.run import BatchResult
    from georaster_dl.mosaics.build import Mosaicked

__all__ = ["batch", "mosaic"]


class BatchKeywords(MapKeywords, CleaningKeywords, ObjectKeywords, total=False):
    """Keywords of mapping many scenes and cleaning their maps."""


def batch(
    scenes: str | Path | Sequence[str | Path],
    model: str | Path | Model | None = None,
    *,
    folder: str | Path,
    extras: Sequence[str] = (),
    float32: bool = False,
    features: bool = False,
    layer: str | None = None,
    workers: int = 1,
    retries: int = 1,
    on_error: Literal["continue", "stop"] = "continue",
    report: Report | None = None,
    **options: Unpack[BatchKeywords],
) -> BatchResult:
    """Run a model over many scenes; as ``geodl batch``. The same call again does the missing scenes.

    The scenes are processed in processes of their own, so a script needs the usual
    ``if __name__ == "__main__":``.

    Parameters
    ----------
    scenes : rasters, products, STAC items, patterns, folders, lists (.txt, .csv) or item collections.
    model : as ``segment`` takes it.
    folder : for maps and reports; made where it does not exist.
    extras : files to make beside each map: ``"confidence"``, ``"polygons"``, ``"quicklook"``, ...
    float32 : store fractions, probabilities, confidence and uncertainty as float32.
    features : write features, and no maps; with ``layer`` of that layer.
    workers : scenes at a time.
    retries : further attempts at a scene that failed.
    on_error : go on with the other scenes when one fails, or stop.
    report : as ``segment`` takes it.
    **options : how scenes are read and the model is run, without record and journal, which a batch keeps
        itself (``MapKeywords``), and how maps are cleaned (``CleaningKeywords``) and become polygons (``ObjectKeywords``).

    Returns
    -------
    The result; ``count("failed")`` says how many scenes failed, and ``rows`` why.

    Raises
    ------
    GeoRasterError
        When the batch itself cannot work; what is wrong with a scene stands in its row.
    """
    from georaster_dl.batches.pools.local import LocalWorkers
    from georaster_dl.batches.products import feature_products, list_jobs, map_products
    from georaster_dl.batches.run import BatchOptions, run_batch

    _check(extras, options, features=features)
    cleaning, rest = cleaning_of(options)
    polygon_options, rest = polygon_options_of(rest)
    settings = options_of(SegmentOptions, rest, beside=_OF_FINISHED)
    if isinstance(model, Model):
        model = model.path
    products = (
        feature_products(model, layer)
        if features
        else map_products(
            model,
            list(extras),
            float32=float32,
            cleaning=cleaning,
            polygon_options=polygon_options,
            **{name: getattr(settings, name) for name in _OF_MAP},
        )
    )
    given = [str(s) for s in ([scenes] if isinstance(scenes, str | Path) else scenes)]
    where = Path(folder).absolute()
    kept = {name: getattr(settings, name) for name in _KEPT}
    with reporting(report) as take:

        def of_scene(name: str, event: Event) -> None:
            if isinstance(event, Warned):
                take(Warned(f"{name}: {event.message}"))

        return run_batch(
            list_jobs(given, where, kept, products),
            where,
            lambda: LocalWorkers(workers, of_scene),
            BatchOptions(retries, on_error, workers),
            take,
        )


_OF_FINISHED = (*CleaningKeywords.__annotations__, *ObjectKeywords.__annotations__)
_OF_MAP = ("predictor", "members", "passes", "seed", "symmetries", "reject", "level")
_KEPT = ("scene", "aoi", "device", "precision", "halo", "tile", "resample", "overwrite")


def _check(extras: Sequence[str], options: BatchKeywords, *, features: bool) -> None:
    """Refuse records and journals, unknown extras, and extras of features."""
    for name in ("record", "journal"):
        if name in options:
            raise OptionError(f"A batch keeps a {name} of each scene itself; leave `{name}=` out.")
    unknown = [name for name in extras if name not in EXTRA_OUTPUTS]
    if unknown:
        raise OptionError(
            f"There is no output {unknown[0]!r} beside a map; `extras=` takes {', '.join(EXTRA_OUTPUTS)}."
        )
    of_map = [n for n in (*_OF_MAP, *_OF_FINISHED) if n in options]
    if of_map and features:
        raise OptionError(f"`{of_map[0]}=` is of maps; leave it or `features=True` out.")
    if extras and features:
        raise OptionError("`extras=` are of maps; leave them or `features=True` out.")


def mosaic(
    maps: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    stac: str | Path | None = None,
    models: Sequence[str | Path] = (),
    order_by: Literal["order", "date", "confidence"] = "order",
    fill_class: Sequence[str] = (),
    crs: str | None = None,
    polygons: str | Path | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[ObjectKeywords],
) -> Mosaicked:
    """Join maps of neighbouring scenes, describe them as a STAC collection, or both; as ``geodl mosaic``.

    Parameters
    ----------
    maps : with the same classes, or of the same quantities.
    out : a ``.vrt``, which refers to the maps and needs all of them on one grid, or a ``.tif``, for which
        maps of other grids are resampled to the nearest pixel.
    stac : folder of the collection.
    models : names or packages of models that made the maps, to be linked; bundled ones are found.
    order_by : which map is taken where several hold data: the first named, the newest, or pixel by
        pixel the most confident.
    fill_class : names of classes that are taken only where no map holds another, as clouds.
    crs : of the mosaic; None takes that of the first map.
    polygons : GeoPackage of the mosaic's objects, to be made beside a ``.tif``.
    report, progress : as ``segment`` takes them.
    **options : classes, cleaning and outlines of polygons; ``ObjectKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the maps, the options or the outputs; nothing is left behind.
    """
    from georaster_dl.models.exchange.packages import NamedPackages
    from georaster_dl.mosaics.build import MosaicOptions
    from georaster_dl.mosaics.build import mosaic as build
    from georaster_dl.predict.progress import Progress

    if not maps or isinstance(maps, str | Path):
        raise OptionError(f"`maps=` is {maps!r}; give a list of the paths of maps.")
    with reporting(report, progress=progress) as take:

        def begin(total: int) -> Callable[[int], None]:
            take(MosaicStarted("cpu", len(maps), total))
            return Progress(total, take)

        return build(
            [Path(path) for path in maps],
            None if out is None else Path(out),
            MosaicOptions(
                order_by,
                crs,
                overwrite,
                tuple(fill_class),
                None if polygons is None else Path(polygons),
                PolygonOptions.of(options),
            ),
            stac=None if stac is None else Path(stac),
            find_model=NamedPackages(models).item,
            warn=warner(take),
            begin=begin,
        )
