"""Spectra of the pixels at points and in polygons, as a table with the features' fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Started, Warned, no_report
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.scene_names import distinct_names
from georaster_dl.io.labels.zones import RasterizedZones
from georaster_dl.io.listing.find import find_scenes
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.io.vectors.files import check_geometries, near_scene, parts_at, read_layer
from georaster_dl.io.vectors.points import pixels_of_points
from georaster_dl.pixels.inputs.one_axis import by_wavelength, on_one_axis
from georaster_dl.pixels.inputs.strips import strip_rows
from georaster_dl.pixels.inputs.zonal_statistics import zonal_sums
from georaster_dl.predict.progress import Progress
from georaster_dl.spectra.table.axis import is_band
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.table.write import spectra_frame, write_spectra

__all__ = ["extract_spectra", "open_listed", "read_points_or_polygons", "write_extracted"]

_OWN = ("scene", "row", "col", "pixels", "block")
_BLOCK = 32  # pixels: side of the squares of the column of that name
_POINTS, _POLYGONS = {"Point", "MultiPoint"}, {"Polygon", "MultiPolygon"}


def extract_spectra(
    scenes: Sequence[Scene],
    features: geopandas.GeoDataFrame,
    title: str,
    report: Report = no_report,
) -> SpectraTable:
    """Read the spectrum of each feature from the scene that holds most of its pixels.

    A point has the pixel that it lies in, a polygon the mean of the valid pixels whose centres it covers (of those
    that it touches, where it covers none; where polygons overlap, a pixel counts for the last). Features outside
    every scene, or without a valid pixel, are left out.

    Parameters
    ----------
    scenes : of one sensor, with wavelengths; bands that not all of them hold are left out.
    features : points or polygons, by feature id, with a CRS.
    title : what messages call the features' file.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Returns
    -------
    Table (n, bands) of physical values, with all fields of the features, ``fid``, the ``scene``'s name, ``row`` and
    ``col`` in it, the number of ``pixels``, and the ``block`` of 32 x 32 pixels of the scene.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes or features, or when no feature has a spectrum.
    """
    kind = _kind_of(features, title)
    touched = [_touched(scene, features, title) for scene in scenes]
    met = [(scene, at) for scene, at in zip(scenes, touched, strict=True) if len(at.features)]
    if not met:
        near_scene(features, scenes[0].geobox, title=title, kind=kind)  # says why
        raise OptionError(f"No feature of {title} lies on a scene; check their place.")
    used = on_one_axis([by_wavelength(scene, report) for scene, _ in met], report)
    names = distinct_names([scene.name for scene in used], [""] * len(used))
    found = _Found(len(features), len(used[0].bands))
    report(Started("cpu"))
    progress = Progress(sum(scene.shape[0] * scene.shape[1] for scene in used), report)
    for name, scene, (_, at) in zip(names, used, met, strict=True):
        if kind == "points":
            spectra = _at_pixels(scene, at.places)
            pixels = np.asarray(np.isfinite(spectra).all(axis=1), np.int64)
            progress(scene.shape[0] * scene.shape[1])
        else:
            zones = RasterizedZones(features.iloc[at.features], scene.geobox, title)
            sums = zonal_sums(scene, zones, len(at.features), progress)
            spectra, pixels = sums.mean.astype(np.float32), sums.count
        found.take(name, at, pixels, spectra)
    found.say_left_out(f"{kind} of {title}", report)
    columns, taken = found.rows(_fields(features, title, report))
    if kind == "points":
        _say_shared(columns, title, report)
    lengths, widths = (
        np.array([value or np.nan for value in values], np.float64)
        for values in zip(*((b.wavelength_nm, b.fwhm_nm) for b in used[0].bands), strict=True)
    )
    known = None if np.isnan(widths).any() else widths
    return SpectraTable(Path(title).stem, lengths, taken, columns, fwhm_nm=known)


def open_listed(given: Sequence[str], options: SceneOptions) -> list[Scene]:
    """Open the scenes that paths, addresses, patterns, folders, lists and item collections name.

    Raises
    ------
    GeoRasterError
        When nothing is found, or a scene cannot be opened.
    """
    with TemporaryDirectory(prefix="geodl-items-") as items:
        found = find_scenes(given, Path(items))
        return [open_scene(each.sources, options) for each in found]


def read_points_or_polygons(path: Path) -> geopandas.GeoDataFrame:
    """Read the features of a vector file, or of a layer (``file|layername=NAME``), by feature id.

    Raises
    ------
    OptionError
        When the file cannot be read, or does not tell which layer is meant.
    """
    return read_layer(path, title=str(path), kind="points or polygons").frame


def write_extracted(table: SpectraTable, path: Path) -> None:
    """Write a table of spectra as .csv, .xlsx or .parquet, by the name of the file.

    Raises
    ------
    OptionError
        When it ends otherwise, or .parquet without pyarrow.
    """
    spectra = table.spectra.astype(np.float32)  # as scenes are read: no digits beyond
    frame = spectra_frame(table.columns, spectra, table.wavelengths_nm, table.fwhm_nm)
    write_spectra(frame, path)


@dataclass(frozen=True, eq=False)
class _Touched:
    """Positions (n,) of the features that touch a scene, and row and col (n, 2) of a pixel of each."""

    features: npt.NDArray[np.intp]
    places: npt.NDArray[np.int64]


class _Found:
    """Spectrum of each feature in the scene that has most of its pixels so far."""

    def __init__(self, n: int, bands: int) -> None:
        self._spectra = np.zeros((n, bands), np.float32)
        self._pixels, self._touched, self._valid_in = np.zeros((3, n), np.int64)
        self._places = np.zeros((n, 2), np.int64)
        self._scenes = np.full(n, "", object)

    def take(
        self,
        scene: str,
        at: _Touched,
        pixels: npt.NDArray[np.int64],
        spectra: npt.NDArray[np.float32],
    ) -> None:
        """Take features of a scene, with their numbers of valid pixels (n,) and spectra (n, bands)."""
        self._touched[at.features] += 1
        self._valid_in[at.features] += pixels > 0
        better = pixels > self._pixels[at.features]
        into = at.features[better]
        self._scenes[into] = scene
        self._places[into] = at.places[better]
        self._pixels[into], self._spectra[into] = pixels[better], spectra[better]

    def rows(self, fields: pd.DataFrame) -> tuple[pd.DataFrame, npt.NDArray[np.float64]]:
        """Columns, and spectra (n, bands), of the features that have one."""
        has = np.flatnonzero(self._pixels)
        scenes, (row, col) = self._scenes[has], self._places[has].T
        blocks = [
            f"{scene} {down} {across}"
            for scene, down, across in zip(scenes, row // _BLOCK, col // _BLOCK, strict=True)
        ]
        own = (scenes, row, col, self._pixels[has], blocks)
        columns = fields.iloc[has].reset_index(drop=True).assign(**dict(zip(_OWN, own, strict=True)))  # fmt: skip
        return columns, self._spectra[has].astype(np.float64)

    def say_left_out(self, what: str, report: Report) -> None:
        """Warn of features without a spectrum, or with a choice of several; refuse to go on without any."""
        n, outside = len(self._pixels), int((self._touched == 0).sum())
        nodata = int((self._pixels == 0).sum()) - outside
        if outside + nodata == n:
            raise OptionError(
                f"None of {n} {what} has a spectrum: {outside} lie outside every scene and {nodata} on nodata; check their "
                f"place, `nodata=` and `mask=`."
            )
        if outside or nodata:
            left = f"{outside + nodata} of {n} {what} left out"
            report(Warned(f"{left}: {outside} outside every scene, {nodata} on nodata"))
        several = int((self._valid_in > 1).sum())
        if several:
            chosen = "each taken from the one with most of its pixels, the first of equals"
            report(Warned(f"{several} of {n} {what} lie on several scenes; {chosen}"))


def _kind_of(features: geopandas.GeoDataFrame, title: str) -> str:
    """Return ``points`` or ``polygons``."""
    if features.empty or features.crs is None:
        what = "no CRS" if len(features) else "no features"
        raise OptionError(f"{title} has {what}; give points or polygons with a CRS.")
    check_geometries(features.geometry, title=title)
    types = set(features.geom_type)
    if types <= _POLYGONS:
        return "polygons"
    if not types <= _POINTS:
        raise OptionError(
            f"{title} holds {' and '.join(sorted(types))}, but spectra are read at points or in polygons; give one of these "
            f"(in QGIS 'Buffer' makes polygons of lines and points)."
        )
    several = int((features.count_geometries() > 1).sum())
    if several:
        raise OptionError(
            f"{title} has {counted(several, 'feature')} of several points, but a row of the table is one pixel; make single "
            f"points of them (in QGIS 'Multipart to singleparts')."
        )
    return "points"


def _touched(scene: Scene, features: geopandas.GeoDataFrame, title: str) -> _Touched:
    numbered = features[[features.geometry.name]].assign(number=np.arange(len(features)))
    at = parts_at(numbered, scene.geobox, title=title)
    if at is None:
        return _Touched(np.empty(0, np.intp), np.empty((0, 2), np.int64))
    extent = scene.geobox.extent.geom
    near = at[0][at[0].intersects(extent)].drop_duplicates("number")
    inside = shapely.point_on_surface(shapely.intersection(near.geometry.to_numpy(), extent))
    centres = geopandas.GeoDataFrame(geometry=inside, crs=near.crs)
    places = np.stack(pixels_of_points(centres, scene.geobox, title=title), axis=1)
    within = ((places >= 0) & (places < scene.shape)).all(axis=1)  # not on the far edges
    return _Touched(near["number"].to_numpy(np.intp)[within], places[within])


def _at_pixels(scene: Scene, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """(n, bands) physical values of single pixels, NaN of nodata; only strips with pixels are read."""
    values = np.full((len(places), len(scene.planes)), np.nan, np.float32)
    with gdal_environment(), SceneReader(scene) as reader:
        for strip in strip_rows(scene):
            here = np.flatnonzero((places[:, 0] >= strip.start) & (places[:, 0] < strip.stop))
            if not here.size:
                continue
            first, last = places[here].min(axis=0), places[here].max(axis=0) + 1
            stored, valid = reader.read(slice(first[0], last[0]), slice(first[1], last[1]))
            row, col = (places[here] - first).T
            usable = valid[row, col]
            taken = stored[:, row[usable], col[usable]].T
            values[here[usable]] = scene.to_physical(taken, axis=1)
    return values


def _fields(features: geopandas.GeoDataFrame, title: str, report: Report) -> pd.DataFrame:
    """Fields of the features and ``fid``, under names that the table's own columns leave free."""
    fields = pd.DataFrame(features.drop(columns=features.geometry.name))
    taken = [name for name in fields if name in _OWN or is_band(str(name))]
    if taken:
        fields = fields.rename(columns={name: f"field_{name}" for name in taken})
        why = "where these names mean the place of a pixel or a wavelength"
        report(Warned(f"{title}: field_ stands before {listed(taken)} in the table, {why}"))
    if "fid" not in {str(name).casefold() for name in fields}:
        fields.insert(0, "fid", features.index)
    return fields


def _say_shared(columns: pd.DataFrame, title: str, report: Report) -> None:
    shared = int(columns.duplicated(["scene", "row", "col"]).sum())
    if shared:
        together = "so with the same spectrum; keep them together with `group_column=block`"
        report(Warned(f"{counted(shared, 'point')} of {title} in the pixel of another, {together}"))
