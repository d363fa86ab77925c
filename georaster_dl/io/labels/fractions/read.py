"""Labels that are fractions of a whole, on a scene's grid: fields of features, bands of a raster, or shares of classes.

A point, or each pixel of a polygon, has the fractions in the feature's fields; a pixel of a raster those
of its bands. Of classes finer than the scene, a pixel has their shares of its area.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.scene_options import FractionOptions
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted
from georaster_dl.io.labels.fractions.checks import (
    FractionScale,
    FractionSet,
    all_names,
)
from georaster_dl.io.labels.fractions.sources import (
    BandFractions,
    FeatureFractions,
    FeatureShares,
    RasterShares,
    band_numbers,
)
from georaster_dl.io.labels.raster import band_names, holds_fractions, numbers_of_bands
from georaster_dl.io.labels.read import LabelSource, OpenedLabels, existing, read_legend
from georaster_dl.io.labels.vector import features_of
from georaster_dl.io.vectors.layers import is_vector

__all__ = ["FractionLabels", "FractionSet", "open_fraction_labels", "read_fractions"]

_MOST, _LONGEST = 64, 64  # fractions of a model, and characters of their names

Where = tuple[str, str]
Planes = npt.NDArray[np.float32]

_CLASSES, _NUMBERS, _BANDS = "classes", "fields of fractions", "bands of fractions"


class FractionLabels(OpenedLabels):
    """Fractions on a scene's grid. Not to be shared between threads; open them in each."""

    def read(self, rows: slice, cols: slice) -> Planes:
        """(names, rows, cols) fractions of sum 1, all NaN where unlabelled.

        With ``per_polygon`` one more plane has the number of the feature that a pixel belongs to.
        """
        return self._source.read(rows, cols)


def read_fractions(
    paths: Sequence[Path], options: FractionOptions, warn: Callable[[str], None]
) -> FractionSet:
    """Find out which fractions label files give, and in which scale; every file is read once.

    Parameters
    ----------
    warn : called with what is assumed about the numbers.

    Raises
    ------
    OptionError
        When fields or bands are missing, numbers are no fractions, sums are not 1, or the files do not
        give the same fractions.
    SceneError
        When a raster cannot be read.
    """
    if not paths:
        raise OptionError("No label file was given; give points, polygons or a raster.")
    kinds = {path: _kind(existing(path), options) for path in paths}
    first = paths[0]
    for path, kind in kinds.items():
        if kind != kinds[first]:
            raise OptionError(
                f"{path} holds {kind} and {first} {kinds[first]}; give labels of one kind for all scenes."
            )
    if kinds[first] == _CLASSES:
        if options.per_polygon:
            raise OptionError(
                f"`per_polygon=True` takes the fractions of a polygon from its fields, but {first} holds classes; name "
                f"the fields in `fraction_fields=`."
            )
        legend = read_legend(paths, options)
        if len(legend.classes) < 2:
            raise OptionError(
                f"The labels have only one class, {legend.names[0]!r}, whose share of a pixel could not be known; "
                f"give everything unlabelled a class with `background='NAME'`, or name fields of fractions in "
                f"`fraction_fields=`."
            )
        return FractionSet(_checked(legend.names, first), legend=legend)
    fields = _checked(_fields(paths, options), first)
    scale = FractionScale(fields)
    for path in paths:
        _check_numbers(path, fields, options, scale)
    return FractionSet(all_names(fields), fields, scale.percent(warn))


def open_fraction_labels(
    path: Path,
    geobox: Georeference,
    fractions: FractionSet,
    options: FractionOptions,
    *,
    where: Where | None = None,
) -> FractionLabels:
    """Open fractions on a scene's grid.

    Parameters
    ----------
    path : raster or vector file.
    geobox : the scene's grid.
    fractions : as :func:`read_fractions` gives them.
    where : column and value (as text) of vector labels; other features are left out.

    Raises
    ------
    OptionError
        When the labels cannot be laid over the scene, lie beside it, or the options do not fit them.
    SceneError
        When a raster cannot be opened.
    """
    existing(path)
    if where is not None and not is_vector(path):
        raise OptionError(f"{path} is a raster and has no column {where[0]!r}; give vector labels.")
    source: LabelSource
    if fractions.legend is None:
        source = (
            FeatureFractions(path, geobox, fractions, options, where)
            if is_vector(path)
            else BandFractions(path, geobox, fractions, options)
        )
    elif is_vector(path):
        source = FeatureShares(path, geobox, fractions.legend, options, where)
    else:
        source = RasterShares(path, geobox, fractions.legend, options)
    return FractionLabels(source)


def _checked(names: Sequence[str], path: Path) -> tuple[str, ...]:
    """Check that a model can have fractions of these names."""
    if len(names) > _MOST:
        raise OptionError(
            f"{path} has {len(names)} fractions, but a model can have {_MOST}; choose fewer with `fraction_fields=`, or "
            f"label fewer classes."
        )
    odd = [name for name in names if len(name) > _LONGEST or visible(name) != name]
    if odd:
        raise OptionError(
            f"{path} has a fraction called {odd[0]!r}, but names of up to {_LONGEST} visible characters are expected; "
            f"rename it."
        )
    return tuple(names)


def _kind(path: Path, options: FractionOptions) -> str:
    if is_vector(path):
        return _NUMBERS if options.fraction_fields else _CLASSES
    if options.per_polygon:
        raise OptionError(
            f"`per_polygon=True` needs polygons, but {path} is a raster; leave it out."
        )
    if options.fraction_fields or len(band_names(path)) > 1:
        return _BANDS
    if holds_fractions(path, options.ignore):
        raise OptionError(
            f"{path} has one band of numbers, but a pixel has at least two fractions; give a raster with a band of "
            f"each, name this one with `fraction_fields=NAME` (the rest is then a fraction, too), or give whole "
            f"numbers for classes."
        )
    return _CLASSES


def _fields(paths: Sequence[Path], options: FractionOptions) -> tuple[str, ...]:
    """Names of the fields or bands; the bands of the first raster where none are chosen."""
    named = options.fraction_fields
    if len(set(named)) < len(named):
        raise OptionError(
            f"`fraction_fields=` names a field twice ({', '.join(named)}); name each once."
        )
    if named:
        return named
    bands = band_names(paths[0])
    if None in bands or len(set(bands)) < len(bands):
        raise OptionError(
            f"The {counted(len(bands), 'band')} of {paths[0]} have no names, or not one each; name them in their order "
            f"with `fraction_fields=`."
        )
    return tuple(filter(None, bands))


def _check_numbers(
    path: Path, fields: Sequence[str], options: FractionOptions, scale: FractionScale
) -> None:
    if is_vector(path):
        label = features_of(path, options, numbers=True)[0]["label"].dropna()
        ids = label.index
        scale.add(np.array(label.tolist(), np.float64), lambda i: f"{path}, fid {ids[i]}")
        return
    found = False
    rounding = len(fields) / 500  # of maps in steps of 1/250
    for row, col, numbers in numbers_of_bands(path, options.ignore, band_numbers(path, fields)):
        rows, cols = np.nonzero(np.isfinite(numbers).all(axis=0))
        found |= len(rows) > 0

        place = partial(_pixel, path, rows + row, cols + col)
        scale.add(numbers[:, rows, cols].T, place, rounding=rounding)
    if not found:
        raise OptionError(
            f"{path} has no label: every pixel is nodata, masked or ignored in one of its bands; check its nodata value."
        )


def _pixel(path: Path, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64], i: int) -> str:
    return f"{path}, row {rows[i]}, col {cols[i]}"
