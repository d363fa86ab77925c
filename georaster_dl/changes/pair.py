"""Maps of two dates, read in strips on the grid of the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference, crs_name
from georaster_dl.core.legend import Legend
from georaster_dl.io.blocks import strips
from georaster_dl.io.output.provenance import rejected_value
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import pixel_offset
from georaster_dl.io.vectors.aoi import AreaOfInterest
from georaster_dl.mosaics.maps import MosaicMap, check_together, damaged, open_map
from georaster_dl.mosaics.order import confidence_beside
from georaster_dl.render.palette import meaning

__all__ = ["MapPair", "PairReader", "Placing", "open_pair", "place", "source_of"]

_STRIP_PIXELS = 2**21
_BLOCK_ROWS = 512
_HIDING = ("cloud", "shadow")  # meanings of classes that hide the ground


@dataclass(frozen=True)
class Placing:
    """Place of the second date's grid on the first's.

    Attributes
    ----------
    rows, cols : whole pixels by which the second begins below and right of the first.
    rest : rows and cols, up to half a pixel, by which it is moved to get there.
    """

    rows: int
    cols: int
    rest: tuple[float, float]


def place(
    before: Georeference,
    after: Georeference,
    names: tuple[str, str],
    resampling: str = "near",
) -> Placing:
    """Find the place of the second date's grid on the first's, to the nearest pixel.

    Parameters
    ----------
    names : of the two dates' files, for messages.
    resampling : gdalwarp's name of the method that suits what the files hold; classes have no mean.

    Raises
    ------
    OptionError
        When a grid has no place on Earth, they have another CRS, pixel size or orientation, or share no ground.
    """
    first, second = _placed(before, names[0]), _placed(after, names[1])
    offset = pixel_offset(second, first)
    if offset is None:
        raise OptionError(
            f"{names[0]} is on another grid ({_described(first)}) than {names[1]} ({_described(second)}), but dates are compared "
            f"pixel by pixel; lay the second on the first's grid: gdalwarp -r {resampling} {_target(first)} {names[1]} NEW.tif"
        )
    rows, cols = (round(each) for each in offset)
    if not (-after.shape[0] < rows < before.shape[0] and -after.shape[1] < cols < before.shape[1]):
        raise OptionError(
            f"{names[0]} and {names[1]} share no ground; give two dates of one place."
        )
    return Placing(rows, cols, (rows - offset[0], cols - offset[1]))


def _placed(geobox: Georeference, name: str) -> GeoBox:
    if isinstance(geobox, GCPGeoBox) or geobox.crs is None:
        raise OptionError(
            f"{name} has no CRS and transform, so it has no place beside the other date; georeference it "
            f"(gdalwarp)."
        )
    return geobox


def _described(geobox: GeoBox) -> str:
    affine = geobox.affine
    turned = "" if affine.is_rectilinear else ", turned"
    return f"{crs_name(geobox.crs)}, pixels of {abs(affine.a):g} x {abs(affine.e):g}{turned}"


def _target(geobox: GeoBox) -> str:
    west, south, east, north = geobox.boundingbox
    size = f"{abs(geobox.affine.a):.12g} {abs(geobox.affine.e):.12g}"
    bounds = " ".join(f"{each:.12g}" for each in (west, south, east, north))
    return f"-t_srs {crs_name(geobox.crs)} -tr {size} -te {bounds}"


@dataclass(frozen=True)
class MapPair:
    """Maps of two dates that one model made.

    Attributes
    ----------
    maps, confidences : of both dates; a confidence is None where a map has none.
    legend : classes of the ground.
    hidden : names of the classes that hide it, whose pixels are nodata.
    rejected : value of the class of uncertain pixels, by date; None where a map has none.
    placing : of the second on the first.
    aoi : outside of which the ground counts as unknown; None for all of it.
    """

    maps: tuple[MosaicMap, MosaicMap]
    confidences: tuple[Path | None, Path | None]
    legend: Legend
    hidden: tuple[str, ...]
    rejected: tuple[int | None, int | None]
    placing: Placing
    aoi: AreaOfInterest | None = None

    @property
    def sure(self) -> bool:
        """Whether the confidence of both maps is known."""
        return None not in self.confidences

    @property
    def geobox(self) -> GeoBox:
        """Grid of the first map."""
        return self.maps[0].geobox

    def strips(self) -> Iterator[slice]:
        """Cut the first map into strips of rows."""
        rows, cols = self.geobox.shape
        return strips((rows, cols), _STRIP_PIXELS, _BLOCK_ROWS)


def open_pair(paths: tuple[Path, Path], aoi: Path | None = None) -> MapPair:
    """Open the maps of two dates, with the confidences beside them.

    Parameters
    ----------
    aoi : file of polygons outside of which the ground counts as unknown.

    Raises
    ------
    SceneError
        When one cannot be read.
    OptionError
        When they are no maps of classes, of several models, or on different grids; or all classes hide the ground.
    """
    before, after = (_opened(path) for path in paths)
    _check_one_model(before, after)
    check_together([before, after])
    rejected = rejected_value(before.path), rejected_value(after.path)
    legends = [one.legend for one in (before, after) if one.legend is not None]
    entries = [entry for entry in legends[0].classes if entry.value not in rejected]
    hidden = [entry for entry in entries if meaning(entry.name) in _HIDING]
    ground = tuple(entry for entry in entries if entry not in hidden)
    if not ground:
        raise OptionError(
            f"All classes of {before.path} are clouds or shadows, which hide the ground; give maps of what is on it."
        )
    return MapPair(
        maps=(before, after),
        confidences=(confidence_beside(before), confidence_beside(after)),
        legend=Legend(ground),
        hidden=tuple(entry.name for entry in hidden),
        rejected=rejected,
        placing=place(before.geobox, after.geobox, (str(before.path), str(after.path))),
        aoi=None if aoi is None else AreaOfInterest(aoi, before.geobox),
    )


def _opened(path: Path) -> MosaicMap:
    with open_dataset(str(path)) as dataset:
        if not dataset.tags().get("GEORASTER_DL_MODEL_SHA256"):
            raise OptionError(
                f"{path} does not say which model made it, so it is a scene, or a map that geodl segment did not make; "
                f"to compare two scenes, name the model that maps both (`model=`)."
            )
    return open_map(path)


def _check_one_model(before: MosaicMap, after: MosaicMap) -> None:
    for one in (before, after):
        if one.legend is None:
            raise OptionError(
                f"{one.path} is a map of a quantity, but changes are from class to class; give maps of classes."
            )
    if before.model_sha256 != after.model_sha256:
        raise OptionError(
            f"{before.path} was made by {before.model} and {after.path} by {after.model} (other weights), but two models "
            f"seldom agree where nothing has changed; map both scenes with one model."
        )


def source_of(one: MosaicMap) -> str:
    """Return the name of the scene that a map was made of, or of the map."""
    return one.tags.get("GEORASTER_DL_INPUT", one.path.name)


class PairReader:
    """Open files of a pair of maps; a context manager, not to be shared between threads."""

    def __init__(self, pair: MapPair) -> None:
        self._pair = pair
        self._stack = ExitStack()
        self._maps: list[_PlacedBand] = []
        self._confidences: list[_PlacedBand] = []

    def __enter__(self) -> PairReader:
        """Open the files."""
        for index, one in enumerate(self._pair.maps):
            self._maps.append(self._opened(index, one.path))
            path = self._pair.confidences[index]
            if self._pair.sure and path is not None:
                self._confidences.append(self._opened(index, path))
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the files."""
        self._stack.close()

    def states(self, rows: slice) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """States (rows, cols) of both dates in a strip: place of the class, n uncertain, n + 1 nodata."""
        legend, found = self._pair.legend, []
        n = len(legend.classes)
        for band, rejected in zip(self._maps, self._pair.rejected, strict=True):
            values = band.read(rows)
            table = np.full(np.iinfo(values.dtype).max + 1, n + 1, np.int64)
            table[legend.values] = range(n)
            if rejected is not None:
                table[rejected] = n
            found.append(table[values])
        if self._pair.aoi is not None:
            outside = ~self._pair.aoi.mask(rows, slice(0, self._pair.geobox.shape[1]))
            for states in found:
                states[outside] = n + 1
        return found[0], found[1]

    def confidence(self, rows: slice) -> npt.NDArray[np.float32] | None:
        """(rows, cols) probability that both dates' classes are right, were their errors independent.

        The product of the two probabilities; 0 where unknown, None where a map has no confidence.
        """
        if not self._pair.sure:
            return None
        shares = []
        for band in self._confidences:
            values = band.read(rows)
            share = values.astype(np.float32) * np.float32(band.scale)
            shares.append(np.where((values == band.nodata) | np.isnan(share), 0, share))
        return np.asarray(shares[0] * shares[1], np.float32)

    def _opened(self, index: int, path: Path) -> _PlacedBand:
        dataset = self._stack.enter_context(open_dataset(str(path)))
        placing = self._pair.placing
        corner = (placing.rows, placing.cols) if index else (0, 0)
        return _PlacedBand(dataset, corner, self._pair.geobox.shape[1], self._pair.maps[index])


class _PlacedBand:
    """First band of a raster, at a place of a grid with so many columns."""

    def __init__(
        self, dataset: Any, corner: tuple[int, int], n_cols: int, belongs_to: MosaicMap
    ) -> None:
        self._dataset, self._corner, self._n_cols = dataset, corner, n_cols
        self._map = belongs_to
        self.nodata, self.scale = dataset.nodata, dataset.scales[0]

    def read(self, rows: slice) -> npt.NDArray[Any]:
        """(rows, cols) of a strip of the grid, nodata where the raster does not reach."""
        top, left = self._corner
        down = _clipped(rows.start - top, rows.stop - top, self._dataset.height)
        across = _clipped(-left, self._n_cols - left, self._dataset.width)
        strip = np.full(
            (rows.stop - rows.start, self._n_cols), self.nodata, self._dataset.dtypes[0]
        )
        if down.start == down.stop or across.start == across.stop:
            return strip
        try:
            values = self._dataset.read(1, window=Window.from_slices(down, across))
        except RasterioError as error:
            raise damaged(self._map, error) from error
        first = down.start + top - rows.start
        strip[first : first + len(values), across.start + left : across.stop + left] = values
        return strip


def _clipped(start: int, stop: int, length: int) -> slice:
    """Clip a range to 0..length; outside of it both ends are equal."""
    first = min(max(start, 0), length)
    return slice(first, max(min(stop, length), first))
