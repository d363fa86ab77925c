"""Tables of a map per area."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
from odc.geo.geobox import GeoBox

from georaster_dl.area_tables.coverage import Coverage
from georaster_dl.area_tables.estimates import Estimate, ReferencePoints
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, SceneStarted, no_report, warner
from georaster_dl.core.geography import pixel_areas
from georaster_dl.core.legend import Legend
from georaster_dl.core.text import cell
from georaster_dl.evaluation.inputs.maps import REJECTED, MapFile, open_map
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.vectors.files import check_geometries, read_layer
from georaster_dl.io.vectors.geopackage import write_geopackage
from georaster_dl.io.vectors.placing import in_coordinates_of

__all__ = ["ZonalOptions", "ZonalTable", "zonal"]

_HECTARE = 1e4
_BLOCK = 512
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ZonalOptions:
    """How a table per area is made.

    Attributes
    ----------
    name_field : field with the areas' names; None takes the first text field, or else numbers them.
    areas_layer : of the file of areas.
    points : labelled points of ``geodl sample-points``, of which areas are estimated with intervals.
    classes : CSV that names the classes of a map which does not.
    """

    name_field: str | None = None
    areas_layer: str | None = None
    points: Path | None = None
    classes: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class ZonalTable:
    """Result of a run.

    Attributes
    ----------
    files : that it made.
    frame : a row for each area and class, or for each area and quantity, as the CSV has it.
    areas : number of areas.
    failed : what was to be made beside the table and could not be.
    """

    files: tuple[Path, ...]
    frame: pd.DataFrame
    areas: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def zonal(
    path: Path,
    areas: Path,
    output: Path | None,
    options: ZonalOptions | None = None,
    report: Report = no_report,
    begin: Callable[[int], Callable[[int], None]] = lambda _total: lambda _done: None,
) -> ZonalTable:
    """Make a table of a map per area, with pixels counted by the share that an area covers.

    The map is read once, strip by strip. Areas are ellipsoidal whatever the CRS.

    Parameters
    ----------
    path : map of classes, of numbers or of fractions, with a CRS.
    areas : polygons in any CRS.
    output : ``.csv`` with a row for each area and class, or ``.gpkg`` with a feature for each area; None
        makes no file.
    begin : called with the pixels to do; returns the function that is called with those done.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the map, the areas, the points or the output; nothing is left behind.
    """
    begun, options = time.monotonic(), options or ZonalOptions()
    with gdal_environment():
        mapped = open_map(path, options.classes)
        title = f"The areas {areas}"
        frame = _read_areas(areas, title, options)
        grid = _grid(mapped)
        names = _names(frame, options.name_field, title)
        report(SceneStarted("cpu", path.name, *mapped.shape))
        placed = in_coordinates_of(frame, grid, title=title).geometry.to_numpy()
        coverage = Coverage(placed, grid)
        if not coverage.inside.any():
            raise OptionError(f"{title} do not touch the map {path}; check their CRS and place.")
        progress = begin(mapped.shape[0] * mapped.shape[1])
        if mapped.legend is None:
            if options.points is not None:
                raise OptionError(
                    "`points=` are of classes, but this is a map of numbers; leave them out."
                )
            table = _quantities(mapped, coverage, names, progress)
        else:
            legend = _all(mapped.legend, mapped)
            points = (
                None if options.points is None else ReferencePoints(options.points, legend, grid)
            )
            if points is not None and points.remark:
                warner(report)(points.remark)
            table = _classes(mapped, legend, coverage, (names, placed), points, progress)
        files: tuple[Path, ...] = ()
        failed: tuple[FailedOutput, ...] = ()
        if output is not None:
            inputs = [path, areas, *filter(None, [options.points, options.classes])]
            with Staging(output, overwrite=options.overwrite, protect=inputs) as stage:
                _write(stage.path(output), table, frame)
            files, failed = (output,), stage.failed
    return ZonalTable(files, table, len(frame), time.monotonic() - begun, failed)


def _read_areas(path: Path, title: str, options: ZonalOptions) -> geopandas.GeoDataFrame:
    frame = read_layer(
        path, title=title, kind="polygons", layer=options.areas_layer, how="`areas_layer=`"
    ).frame
    polygons = set(frame.geom_type.dropna()) <= {"Polygon", "MultiPolygon"}
    if not len(frame) or not polygons or frame.crs is None:
        what = "no feature" if not len(frame) else "no CRS" if polygons else "other than polygons"
        raise OptionError(f"{title} hold {what}; give a layer of polygons with a CRS.")
    check_geometries(frame.geometry, title=title)
    return frame


def _grid(mapped: MapFile) -> GeoBox:
    if not isinstance(mapped.geobox, GeoBox) or pixel_areas(mapped.geobox, slice(0, 1)) is None:
        raise OptionError(
            f"{mapped.path} has no CRS with a known unit, or no transform, so areas cannot be laid over it; georeference "
            f"it (gdalwarp)."
        )
    return mapped.geobox


def _names(frame: geopandas.GeoDataFrame, field: str | None, title: str) -> list[str]:
    if field is not None and field not in frame:
        raise OptionError(
            f"{title} have no field {field!r}, but {', '.join(frame.columns.drop('geometry'))}; name one by `name_field=`."
        )
    texts = [c for c in frame.columns if c != "geometry" and frame[c].dtype.kind in "OUT"]
    chosen = field or next(iter(texts), None)
    values = frame.index if chosen is None else frame[chosen]
    return ["" if pd.isna(value) else str(value) for value in values]


def _all(legend: Legend, mapped: MapFile) -> Legend:
    """Legend of all classes, that of rejected pixels included."""
    if mapped.rejected is None:
        return legend
    return Legend((*legend.classes, mapped.rejected))


def _classes(
    mapped: MapFile,
    legend: Legend,
    coverage: Coverage,
    described: tuple[Sequence[str], npt.NDArray[Any]],
    points: ReferencePoints | None,
    progress: Callable[[int], None],
) -> pd.DataFrame:
    """Area and share of each class in each area, and estimates where there are points."""
    names, shapes = described
    n = len(legend.classes)
    sums = np.zeros((len(names), n + 1))  # the last is nodata
    with closing(mapped.classes(mapped.legend)) as pixels:  # type: ignore[arg-type]
        for rows in mapped.strips(_BLOCK):
            classes = pixels.read(rows, slice(0, mapped.shape[1]))
            classes[classes == REJECTED] = n - 1
            if points is not None:
                points.see(rows, classes)
            flat = np.where(classes < 0, n, classes).ravel()
            for number, places, areas in coverage.of_strip(rows):
                sums[number] += np.bincount(flat[places], areas, minlength=n + 1)
            progress(classes.size)
    found, nodata = sums[:, :n], _nodata_shares(sums[:, -1], sums.sum(axis=1), coverage.inside)
    table = []
    for number, name in enumerate(names):
        total = found[number].sum()
        estimate = None if points is None else points.estimate(shapes[number], found[number])
        entries: list[tuple[int | None, str, float]] = [
            (c.value, c.name, area) for c, area in zip(legend.classes, found[number], strict=True)
        ]
        if points is not None:
            entries += [(None, name, 0.0) for name in points.names[n:]]
        for index, (value, class_name, area) in enumerate(entries):
            row: dict[str, Any] = {
                "area": name,
                "area_number": number + 1,
                "class_id": value,
                "class_name": class_name,
                "mapped_ha": area / _HECTARE,
                "share": min(area / total, 1.0) if total > 0 else np.nan,
                "nodata_share": nodata[number],
            }
            if estimate is not None:
                row |= _estimated(estimate, index)
            table.append(row)
    return pd.DataFrame(table)


def _estimated(estimate: Estimate, index: int) -> dict[str, Any]:
    areas, half_widths = estimate.areas, estimate.half_widths
    return {
        "estimated_ha": np.nan if areas is None else areas[index] / _HECTARE,
        "plus_minus_ha": np.nan if half_widths is None else half_widths[index] / _HECTARE,
        "points": estimate.points,
        "note": estimate.note,
    }


def _quantities(
    mapped: MapFile, coverage: Coverage, names: Sequence[str], progress: Callable[[int], None]
) -> pd.DataFrame:
    """Mean, standard deviation and extremes of each band in each area, weighted by area."""
    bands = mapped.fractions or ("value",)
    shape = (len(names), len(bands))
    weight, mean, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    covered, missing = np.zeros(len(names)), np.zeros(len(names))
    with closing(mapped.shares() if mapped.fractions else mapped.numbers()) as pixels:
        for rows in mapped.strips(_BLOCK):
            values = pixels.read(rows, slice(0, mapped.shape[1]))
            planes = values.reshape(len(bands), -1).astype(np.float64)
            for number, places, areas in coverage.of_strip(rows):
                here = planes[:, places]
                known = ~np.isnan(here[0])
                covered[number] += areas.sum()
                missing[number] += areas[~known].sum()
                if not (areas[known] > 0).any():
                    continue
                part, w = here[:, known], areas[known]
                # Chan et al. (1983): merged as means and squares about them, so large values lose no digits.
                of_part = part @ w / w.sum()
                spread = ((part - of_part[:, None]) ** 2) @ w
                total = weight[number] + w.sum()
                shift = of_part - mean[number]
                squares[number] += spread + shift**2 * weight[number] * w.sum() / total
                mean[number] += shift * w.sum() / total
                weight[number] = total
                low[number] = np.minimum(low[number], part.min(axis=1))
                high[number] = np.maximum(high[number], part.max(axis=1))
            progress(planes.shape[1])
    nodata = _nodata_shares(missing, covered, coverage.inside)
    with np.errstate(invalid="ignore"):  # 0 / 0 where nothing is known
        deviation = np.sqrt(squares / weight)
    some = weight > 0
    return pd.DataFrame(
        {
            "area": name,
            "area_number": number + 1,
            "quantity": band,
            "mapped_ha": weight[number, b] / _HECTARE,
            "mean": mean[number, b] if some[number, b] else np.nan,
            "sd": deviation[number, b],
            "min": low[number, b] if some[number, b] else np.nan,
            "max": high[number, b] if some[number, b] else np.nan,
            "nodata_share": nodata[number],
        }
        for number, name in enumerate(names)
        for b, band in enumerate(bands)
    )


def _nodata_shares(missing: _Floats, covered: _Floats, inside: _Floats) -> _Floats:
    """Share of each area where the map knows nothing: nodata, or beyond its border."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unknown = np.where(covered > 0, missing / covered, 1.0)
    # Sums of parts may be some 1e-16 beyond the whole.
    shares: _Floats = np.clip(np.round(1 - inside * (1 - unknown), 12), 0.0, 1.0)
    return shares


def _write(path: Path, table: pd.DataFrame, frame: geopandas.GeoDataFrame) -> None:
    if path.suffix.lower() == ".csv":
        table.map(cell).to_csv(path, index=False, float_format="%.6g")
        return
    write_geopackage(path, _wide(table, frame), promote_to_multi=True)


def _wide(table: pd.DataFrame, frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Give each area its figures as fields, named after the classes or quantities."""
    what = "class_name" if "class_name" in table else "quantity"
    of_area = [name for name in ("nodata_share", "points", "note") if name in table]
    fixed = {"area", "area_number", "class_id", what, *of_area}
    made = frame.reset_index(drop=True)
    groups = table.groupby("area_number")
    for name in of_area:
        made[name] = groups[name].first().to_numpy()
    for entry, rows in table.groupby(what, sort=False):
        for measure in [name for name in table.columns if name not in fixed]:
            made[f"{entry} {measure}"] = rows[measure].to_numpy()
    return made
