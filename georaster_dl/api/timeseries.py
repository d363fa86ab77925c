"""Image time series: stacks of dated scenes, training, and classes of parcels and points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from georaster_dl.api.keywords import (
    LabelKeywords,
    SceneKeywords,
    options_of,
    path_of,
    plain_value,
)
from georaster_dl.api.model import Model, package_of
from georaster_dl.api.reporting import reporting
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report
from georaster_dl.core.scene_options import LabelOptions, SceneOptions, StackOptions
from georaster_dl.core.wording import nearest_names
from georaster_dl.io.stacks.open import open_stack as open_described
from georaster_dl.timeseries.tables.options import SeriesTableOptions

if TYPE_CHECKING:
    from georaster_dl.io.stacks.open import StackSource
    from georaster_dl.io.stacks.stack import TimeStack
    from georaster_dl.timeseries.learning.options import SeriesTrainOptions
    from georaster_dl.timeseries.parcels.classify import ClassifiedParcels
    from georaster_dl.timeseries.predict import ClassifiedTable
    from georaster_dl.timeseries.sources import SampleReading
    from georaster_dl.timeseries.train import TrainedSeries

__all__ = [
    "SeriesTrainKeywords",
    "classify_parcels",
    "classify_points",
    "open_stack",
    "train_series",
]


def open_stack(
    source: StackSource,
    *,
    date_pattern: str | None = None,
    indices: str | Sequence[str] = (),
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
    named = (indices,) if isinstance(indices, str) else tuple(indices)
    options = StackOptions(options_of(SceneOptions, reading), date_pattern, named)
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
    layer: str | None = None,
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
    layer : of a vector file that has several; None takes the only one.
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

    options = ParcelOptions(minimum_dates, device, overwrite, layer)
    polygons, made = path_of("parcels", parcels), path_of("out", out)
    opened, package = open_described(stack), package_of(model)
    with reporting(report, progress=progress) as take:
        return run(opened, polygons, package, made, options, take)


def classify_points(
    tables: str | Path | Sequence[str | Path],
    model: str | Path | Model,
    *,
    out: str | Path,
    until: str | None = None,
    minimum_dates: int | None = None,
    device: str = "auto",
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **table: Any,
) -> ClassifiedTable:
    """Classify the point series of a table; as ``geodl timeseries classify TABLE``.

    Parameters
    ----------
    tables : table of series (CSV, TSV, Excel, Parquet, .npz); a second one is joined to it by ``id_column``.
    model : package, or loaded model, of time series.
    out : table to make (.csv), with the columns of the first, class, probabilities, and clear dates.
    until : last day of the season that is seen, ``MM-DD``, or the last date, ``YYYY-MM-DD``; None takes all.
    minimum_dates : clear dates below which a sample is flagged; None takes the fewest of the training.
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``.
    overwrite : replace the output where it exists.
    report, progress : as ``segment`` takes them.
    **table : how the table is read: id_column, date_column, sensor_bands, dates, column_pattern, year_column, nodata.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with table, model or output; nothing is left behind.
    """
    from georaster_dl.timeseries.predict import TablePredictionOptions, predict_table

    reading = options_of(SeriesTableOptions, table)
    options = TablePredictionOptions(reading, until, minimum_dates, device, overwrite)
    files, made = _paths("tables", tables), path_of("out", out)
    with reporting(report, progress=progress) as take:
        return predict_table(files, package_of(model), made, options, take)


class SeriesTrainKeywords(LabelKeywords, total=False):
    """Keywords of a training on time series, by the names of the options of ``geodl timeseries train``.

    Attributes
    ----------
    architecture : network; ``series_models()`` lists them.
    options : of the network, by name.
    encoder_weights : file with the public weights of a network that has some (presto).
    unit : sample of a stack, ``"pixel"`` or ``"parcel"``; by default what the network reads.
    per_class : pixels that are drawn of each class of a stack.
    pixels : that an epoch sees of each parcel.
    side : rows and cols of a patch.
    patches : that are drawn of a stack at most.
    split_column : column of train, validation and test.
    leave_out : ``"region=Khorezm"`` tests on samples of a value, ``"region"`` on those of each value in turn.
    group : column of samples that stay in one part.
    folds : of a cross-validation.
    until : last day of the season, ``"06-15"``, or last date, ``"2024-06-15"``.
    season_start : month and day from which days are counted, ``"09-01"``.
    early : cut series off at random, for a model that is used before the season's end.
    augment, loss, class_weights, epochs, batch, learning_rate, weight_decay, device, licence, seed : of the training.
    class_column, target : column of a table with classes, or with values.
    id_column, date_column, sensor_bands, dates, column_pattern, year_column, nodata, quantity : how a table is read.
    """

    architecture: str
    options: Mapping[str, Any]
    encoder_weights: str | None
    unit: Literal["pixel", "parcel"] | None
    per_class: int
    pixels: int
    side: int
    patches: int
    split_column: str | None
    leave_out: str | None
    group: str | None
    folds: int | None
    until: str | None
    season_start: str | None
    early: bool
    augment: bool | Mapping[str, float]
    loss: Literal["cross-entropy", "focal", "gce"]
    class_weights: bool
    epochs: int | None
    batch: int | None
    learning_rate: float
    weight_decay: float
    device: str
    licence: str
    seed: int
    class_column: str | None
    target: str | None
    id_column: str | None
    date_column: str
    sensor_bands: Mapping[str, Sequence[str]]
    dates: Sequence[str]
    column_pattern: str | None
    year_column: str
    nodata: float | None
    quantity: str


def train_series(
    source: StackSource,
    labels: str | Path | None = None,
    *,
    out: str | Path,
    by_date: Sequence[str | Path] = (),
    attention: Sequence[str | Path] = (),
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **settings: Unpack[SeriesTrainKeywords],
) -> TrainedSeries:
    """Train a network on time series, beside a random forest on the same samples; as ``geodl timeseries train``.

    Parameters
    ----------
    source : stack of ``open_stack``, or what that takes; or a table of point series (CSV, TSV, Excel, Parquet, .npz).
    labels : of a stack polygons, points, lines or a raster; of a table a second one with classes or values.
    out : model package to make (.safetensors).
    by_date : files for the accuracy of series that end on each of some dates, ``.csv`` or ``.png``.
    attention : files for which dates decided, by class, ``.csv`` or ``.png``, of networks with attention.
    overwrite : replace outputs that exist.
    report, progress : as ``segment`` takes them.
    **settings : network, samples, split, training and how a table is read; ``SeriesTrainKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with source, labels, settings or output; nothing is left behind.
    """
    from georaster_dl.timeseries.sources import read_samples
    from georaster_dl.timeseries.tables.read import is_series_table
    from georaster_dl.timeseries.train import train_series as run

    reading, training = _training_of(settings)
    beside = None if labels is None else Path(labels)
    named = isinstance(source, str | Path) and is_series_table(Path(source))
    samples_from = [Path(str(source))] if named else open_described(source)
    files = [Path(str(source))] if named else []
    with reporting(report, progress=progress) as take:
        samples = read_samples(samples_from, beside, reading, training, take)
        return run(
            samples,
            training,
            Path(out),
            take,
            by_date=[Path(path) for path in by_date],
            attention=[Path(path) for path in attention],
            inputs=[*files, *([] if beside is None else [beside])],
            overwrite=overwrite,
        )


def _training_of(settings: SeriesTrainKeywords) -> tuple[SampleReading, SeriesTrainOptions]:
    """Sort keywords into the options that they belong to."""
    from georaster_dl.timeseries.learning.options import SeriesTrainOptions, SplitOptions
    from georaster_dl.timeseries.sources import SampleReading

    given: dict[str, Any] = dict(settings)
    of_table, of_labels = _taken(given, SeriesTableOptions), _taken(given, LabelOptions)
    of_split = _taken(given, SplitOptions)
    if "split_column" in given:
        of_split["column"] = given.pop("split_column")
    drawn = {
        name: given.pop(name) for name in ("unit", "per_class", "side", "patches") if name in given
    }
    known = SeriesTrainKeywords.__annotations__
    wrong = next((name for name in given if name not in known), None)
    if wrong is not None:
        raise OptionError(
            f"There is no keyword {wrong!r} here{nearest_names(wrong, known)}; it takes {', '.join(sorted(known))}."
        )
    reading = SampleReading(SeriesTableOptions(**of_table), LabelOptions(**of_labels), **drawn)
    return reading, SeriesTrainOptions(split=SplitOptions(**of_split), **given)


def _taken(given: dict[str, Any], kind: type) -> dict[str, Any]:
    """Take the keywords of a dataclass out of those that were given."""
    names = {each.name for each in fields(kind)} - {"column"}
    return {name: plain_value(name, given.pop(name)) for name in list(given) if name in names}


def _paths(name: str, paths: str | Path | Sequence[str | Path]) -> list[Path]:
    many = paths if isinstance(paths, list | tuple) else [paths]
    return [path_of(name, path) for path in many]


def _day(name: str, value: date | str | None) -> date | None:
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise OptionError(
            f"`{name}={value!r}` is no date; give year, month and day, as '2023-05-14'."
        ) from None
