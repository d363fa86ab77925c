"""Fractions on a scene's grid, read from features, from bands, or from classes finer than the grid."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.legend import Legend
from georaster_dl.core.scene_options import FractionOptions, LabelOptions
from georaster_dl.io.labels.fields import is_other
from georaster_dl.io.labels.fractions.checks import FractionSet, normalised
from georaster_dl.io.labels.raster import RasterLabels, band_names
from georaster_dl.io.labels.read import open_class_labels
from georaster_dl.io.labels.vector import BurntFeatures, features_of

__all__ = [
    "BandFractions",
    "FeatureFractions",
    "FeatureShares",
    "RasterShares",
    "band_numbers",
]

_FINER = 8  # parts of a pixel's side in which the shares of polygons are counted
_WHOLE = 0.9  # of a pixel has to be labelled
_SHARE_PIXELS = 2**22
_AREAS = {"Polygon", "MultiPolygon"}

Where = tuple[str, str]
Planes = npt.NDArray[np.float32]


def band_numbers(path: Path, fields: Sequence[str]) -> list[int]:
    """Numbers of the bands of these names, from 1; of bands without names all in their order.

    Raises
    ------
    OptionError
        When the raster has no such band.
    """
    bands = band_names(path)
    if not any(bands) and len(bands) == len(fields):
        return list(range(1, len(bands) + 1))
    missing = [name for name in fields if name not in bands]
    if missing:
        held = ", ".join(name or "(without a name)" for name in bands)
        raise OptionError(
            f"{path} has no band {missing[0]!r}; it has {held}; name some of these in `fraction_fields=`."
        )
    return [bands.index(name) + 1 for name in fields]


class FeatureFractions(BurntFeatures):
    """Fractions in the fields of features, burnt onto a grid."""

    def __init__(
        self,
        path: Path,
        geobox: Georeference,
        fractions: FractionSet,
        options: FractionOptions,
        where: Where | None,
    ) -> None:
        frame = features_of(path, options, numbers=True)[0]
        label = frame["label"]
        unlabelled = label.isna().to_numpy() | is_other(frame, path, where)
        stated = np.full((len(frame), len(fractions.fields)), np.nan)
        stated[label.notna()] = label.dropna().tolist()
        self._table = normalised(stated, percent=fractions.percent).astype(np.float32)
        self._per_polygon = options.per_polygon
        number = np.where(unlabelled, np.nan, np.arange(len(frame)))
        super().__init__(frame.assign(number=number, rank=0), geobox, options, str(path))

    def read(self, rows: slice, cols: slice) -> Planes:
        """(names, rows, cols) fractions, NaN where unlabelled; per polygon, the features' numbers behind them."""
        numbers = self.burnt(rows, cols)
        known = np.isfinite(numbers)
        planes = np.full(
            (self._table.shape[1] + self._per_polygon, *numbers.shape), np.nan, np.float32
        )
        of_pixels = numbers[known].astype(np.int64)
        planes[: self._table.shape[1], known] = self._table[of_pixels].T
        if self._per_polygon:
            planes[-1] = numbers
        return planes


class BandFractions:
    """Fractions in the bands of a raster, on a grid."""

    def __init__(
        self, path: Path, geobox: Georeference, fractions: FractionSet, options: LabelOptions
    ) -> None:
        bands = band_numbers(path, fractions.fields)
        self._bands = [
            RasterLabels(path, geobox, options.ignore, numbers=True, band=band) for band in bands
        ]
        self._percent = fractions.percent

    def read(self, rows: slice, cols: slice) -> Planes:
        """(names, rows, cols) fractions, NaN where unlabelled."""
        planes = np.stack([band.read(rows, cols) for band in self._bands])
        planes[:, ~np.isfinite(planes).all(axis=0)] = np.nan
        rows_of = planes.reshape(len(planes), -1).T.astype(np.float64)
        fractions = normalised(rows_of, percent=self._percent)
        return np.asarray(fractions.T.reshape(-1, *planes.shape[1:]), np.float32)

    def missed(self) -> tuple[int, int]:
        """A raster has no features."""
        return 0, 0

    def close(self) -> None:
        """Close the file; another read opens it again."""
        with ExitStack() as stack:
            for band in self._bands:
                stack.callback(band.close)


class RasterShares(RasterLabels):
    """Shares of the classes of a label raster in the area of a grid's pixels."""

    def __init__(
        self, path: Path, geobox: Georeference, legend: Legend, options: LabelOptions
    ) -> None:
        super().__init__(path, geobox, options.ignore, numbers=False)
        if self._regrid is not None:
            areas = (Resampling.average, Resampling.average)
            self._regrid = replace(self._regrid, resamplings=areas)
        self._values = legend.values
        self._background = (
            None
            if options.background is None
            else legend.values[legend.names.index(options.background)]
        )

    def read(self, rows: slice, cols: slice) -> Planes:
        """(names, rows, cols) fractions, NaN where unlabelled."""
        shares = np.stack([self._share(value, rows, cols) for value in self._values])
        np.nan_to_num(shares, copy=False)
        shares[:, ~self.covers(rows, cols)] = 0
        return _of_labelled(shares)

    def _share(self, value: int, rows: slice, cols: slice) -> Planes:
        def here(rows: slice, cols: slice) -> Planes:
            classes = self._window(rows, cols)
            if value == self._background:
                classes = np.where(np.isnan(classes), np.float32(value), classes)
            return np.asarray(classes == value, np.float32)

        return here(rows, cols) if self._regrid is None else self._regrid.read(here, rows, cols)


class FeatureShares:
    """Shares of the classes of polygons in the area of a grid's pixels, counted in 8 x 8 parts of each."""

    def __init__(
        self,
        path: Path,
        geobox: Georeference,
        legend: Legend,
        options: LabelOptions,
        where: Where | None,
    ) -> None:
        kinds = set(features_of(path, options, numbers=False)[0].geom_type)
        if not kinds & _AREAS and options.width_m is None:
            raise OptionError(
                f"{path} holds no polygons but {', '.join(sorted(kinds))}, which cover no share of a pixel; make areas of "
                f"them with `width_m=`, or name fields of fractions in `fraction_fields=`; classes of whole pixels are of the task "
                f"segmentation."
            )
        if isinstance(geobox, GCPGeoBox) or geobox.crs is None:
            raise OptionError(
                f"{path} cannot be laid over a scene without a CRS and transform; georeference the scene first "
                f"(gdalwarp)."
            )
        rows, cols = geobox.shape
        finer = GeoBox(
            (rows * _FINER, cols * _FINER), geobox.affine * Affine.scale(1 / _FINER), geobox.crs
        )
        self._labels = open_class_labels(path, finer, legend, options, where=where)
        self._n = len(legend.classes)

    def read(self, rows: slice, cols: slice) -> Planes:
        """(names, rows, cols) fractions, NaN where unlabelled."""
        width = cols.stop - cols.start
        shares = np.zeros((self._n, rows.stop - rows.start, width), np.float32)
        step = max(1, _SHARE_PIXELS // (_FINER**2 * width))
        across = slice(cols.start * _FINER, cols.stop * _FINER)
        for start in range(rows.start, rows.stop, step):
            stop = min(start + step, rows.stop)
            index = self._labels.read(slice(start * _FINER, stop * _FINER), across)
            parts = index.reshape(stop - start, _FINER, width, _FINER)
            for number in range(self._n):
                of_class = (parts == number).mean(axis=(1, 3), dtype=np.float32)
                shares[number, start - rows.start : stop - rows.start] = of_class
        return _of_labelled(shares)

    def missed(self) -> tuple[int, int]:
        """How many labelled features at the scene cover no part of a pixel, and of how many."""
        return self._labels.missed()

    def close(self) -> None:
        """Close the file; another read opens it again."""
        self._labels.close()


def _of_labelled(shares: Planes) -> Planes:
    """Divide shares by the labelled part of a pixel; NaN where that is not nearly all of it."""
    labelled = shares.sum(axis=0)
    return np.where(labelled >= _WHOLE, shares / np.maximum(labelled, _WHOLE), np.float32(np.nan))
