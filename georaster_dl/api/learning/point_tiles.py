"""Rasters and classes of LiDAR points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.api.model import Model, package_of
from georaster_dl.api.reporting import reporting
from georaster_dl.core.events import Report

if TYPE_CHECKING:
    from georaster_dl.lidar.classify.run import ClassifiedPoints
    from georaster_dl.lidar.classify.train import PointForest
    from georaster_dl.lidar.options import GroundFrom
    from georaster_dl.lidar.raster.run import LidarRaster

__all__ = ["lidar_classify", "lidar_raster", "train_points"]


def lidar_raster(
    tiles: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    cell: float | None = None,
    like: str | Path | None = None,
    ground: GroundFrom = "auto",
    fill: int = 0,
    crs: str | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
) -> LidarRaster:
    """Write heights, intensity and returns of LiDAR points as a raster of nine bands; as ``geodl lidar raster``.

    Parameters
    ----------
    tiles : LAS, LAZ or COPC files in one CRS, read as one cloud.
    out : raster to make (.tif): dsm, dtm, ndsm (m), intensity, return_ratio, multi_share, density (1/m2),
        roughness (m) and above_2m; NaN where a cell has no points.
    cell : side of a cell in metres; None takes 0.5, or the grid of ``like``.
    like : raster whose grid is taken.
    ground : where the terrain comes from: ``"class"`` (2), ``"filter"``, or ``"auto"``.
    fill : cells over which gaps of dsm and dtm are filled.
    crs : of files that state none, as ``"EPSG:2154"``.
    report, progress : as ``segment`` takes them.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the files, the options or the output; nothing is left behind.
    """
    from georaster_dl.lidar.options import RasterOptions
    from georaster_dl.lidar.raster.run import lidar_raster as run

    grid = None if like is None else Path(like)
    options = RasterOptions(cell, grid, ground, fill, crs, overwrite)
    with reporting(report, progress=progress) as take:
        return run(_paths(tiles), Path(out), options, take)


def lidar_classify(
    tile: str | Path,
    model: str | Path | Model,
    *,
    out: str | Path,
    codes: Mapping[str, int] | None = None,
    ground: GroundFrom = "filter",
    crs: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
) -> ClassifiedPoints:
    """Write a copy of a file of LiDAR points with the classes of a model; as ``geodl lidar classify``.

    Parameters
    ----------
    tile : LAS, LAZ or COPC file.
    model : package of classes for bands of ``lidar_raster``, or a forest of ``train_points`` (.skops).
    out : file to make (.las, .laz); all but the classes is that of ``tile``.
    codes : codes of a map's classes whose names do not say them, by name.
    ground, crs : as ``lidar_raster`` takes them.
    device, report, progress : as ``segment`` takes them.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the file, the model, the options or the output; nothing is left behind.
    """
    from georaster_dl.lidar.classify.run import ClassifyOptions, classify_points_of_tile

    forest = isinstance(model, str | Path) and str(model).endswith(".skops")
    package = Path(str(model)) if forest else package_of(model)
    options = ClassifyOptions(codes or {}, ground, crs, device, overwrite)
    with reporting(report, progress=progress) as take:
        return classify_points_of_tile(Path(tile), package, Path(out), options, take)


def train_points(
    tiles: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    classes: Mapping[str, Sequence[int]] | None = None,
    crs: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
) -> PointForest:
    """Train a forest of local features on tiles of classified LiDAR points, and judge it on squares held out.

    Parameters
    ----------
    tiles : LAS, LAZ or COPC files whose points have classes.
    out : forest to make (.skops), for ``lidar_classify``.
    classes : codes that make each class, by name, as ``{"ground": [2], "building": [6]}``; the first is written to
        points. None takes the classes of ASPRS that the tiles have.
    crs : of files that state none, as ``"EPSG:2154"``.
    seed : of the squares and the forest; the same seed gives the same forest.
    report, progress : as ``segment`` takes them.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the files, the classes or the output; nothing is left behind.
    """
    from georaster_dl.lidar.classify.train import train_points as run

    with reporting(report, progress=progress) as take:
        return run(
            _paths(tiles),
            Path(out),
            classes=classes,
            crs=crs,
            seed=seed,
            overwrite=overwrite,
            report=take,
        )


def _paths(tiles: str | Path | Sequence[str | Path]) -> list[Path]:
    return [Path(tiles)] if isinstance(tiles, str | Path) else [Path(tile) for tile in tiles]
