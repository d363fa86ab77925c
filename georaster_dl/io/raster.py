"""Rasters in memory: values, a valid mask, a georeference, and bands or classes."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference, crs_name, resolution_m
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted, listed
from georaster_dl.render.picture import Picture, draw_picture, make_picture
from georaster_dl.render.png import as_image, data_address, encoded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from xarray import DataArray

__all__ = ["Raster"]

_LONGEST = 1200  # side of a drawn picture in pixels
_IN_A_PAGE = 480
_MOST_NAMED = 12


@dataclass(frozen=True, eq=False, repr=False)
class Raster:
    """Pixels in memory with their place on Earth.

    Attributes
    ----------
    array : (bands, rows, cols), physical values; of a map, class values.
    valid : (rows, cols), True where every band holds a measurement. One mask per raster.
    geobox : shape, transform (or ground control points) and CRS of the pixels.
    bands : what each plane of ``array`` is.
    legend : classes with names and colours; None for anything but a map of classes.
    unit : of the values; empty where they have none.
    """

    array: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]
    geobox: Georeference
    bands: tuple[Band, ...]
    legend: Legend | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        """Check that the parts agree, and that a map holds the classes of its legend."""
        for name, part in (("array", self.array), ("valid", self.valid)):
            if not isinstance(part, np.ndarray):
                raise OptionError(
                    f"The {name} of a raster is a {type(part).__name__}; give an array of NumPy."
                )
        if self.valid.dtype != bool:
            raise OptionError(
                f"The valid mask holds {self.valid.dtype}, but True and False are expected; compare it, as with 0."
            )
        expected = (len(self.bands), *self.valid.shape)
        if self.array.shape != expected or tuple(self.geobox.shape) != self.valid.shape:
            raise OptionError(
                f"A raster of {len(self.bands)} bands and a valid mask of {self.valid.shape} needs an "
                f"array of {expected} and a grid of {self.valid.shape}, but got an array of "
                f"{self.array.shape} and a grid of {tuple(self.geobox.shape)}."
            )
        if self.legend is not None:
            self._check_classes(self.legend)

    def _check_classes(self, legend: Legend) -> None:
        if len(self.array) != 1 or self.array.dtype.kind not in "ui":
            raise OptionError(
                f"A map of classes is one band of whole numbers, but got {len(self.array)} of {self.array.dtype}; "
                f"leave the legend out for quantities, or round them to class values."
            )
        values = self.array[0][self.valid]
        known = np.zeros(legend.nodata + 1, bool)
        known[legend.values] = True
        inside = bool(values.size == 0 or (values.min() >= 0 and values.max() < known.size))
        if not inside or not known[values].all():
            strange = [value for value in np.unique(values).tolist() if value not in legend.values]
            raise OptionError(
                f"Valid pixels hold {', '.join(map(str, strange[:5]))}, which the legend does not name (it has "
                f"{', '.join(map(str, legend.values))}); add classes, or make them invalid."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, cols."""
        rows, cols = self.valid.shape
        return rows, cols

    @property
    def masked(self) -> np.ma.MaskedArray[Any, Any]:
        """Masked array (bands, rows, cols) of the values, masked where there is no measurement."""
        return np.ma.MaskedArray(self.array, np.broadcast_to(~self.valid, self.array.shape))

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of valid pixels of each class by its name; empty where there are no classes."""
        if self.legend is None:
            return {}
        counts = np.bincount(self.array[0][self.valid].ravel(), minlength=self.legend.nodata)
        return {entry.name: int(counts[entry.value]) for entry in self.legend.classes}

    def __repr__(self) -> str:
        """Size, type, bands or classes, and CRS in one line."""
        return f"<Raster {', '.join(text for _, text in self._described())}>"

    def _repr_html_(self) -> str:
        """Table of facts beside a picture, for notebooks."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self._described()
        )
        drawn = data_address(encoded(as_image(self._picture(_IN_A_PAGE).colors)))
        # Small rasters are enlarged by the browser, in whole pixels.
        style = f"width:{_IN_A_PAGE}px;max-width:60%;image-rendering:pixelated"
        return (
            f"<div style='display:flex;gap:1em;align-items:flex-start'><img alt='' src='{drawn}' "
            f"style='{style}'><table>{rows}</table></div>"
        )

    def _described(self) -> Iterator[tuple[str, str]]:
        rows, cols = self.shape
        yield "size", f"{rows} x {cols} pixels"
        yield "type", str(self.array.dtype)
        if self.legend is not None:
            total = max(int(self.valid.sum()), 1)
            shares = {name: 100 * n / total for name, n in self.class_counts.items() if n}
            texts = [
                f"{name} {share:.1f} %"
                for name, share in sorted(shares.items(), key=lambda entry: -entry[1])
            ]
            yield "classes", listed(texts, _MOST_NAMED) if texts else "no valid pixel"
        else:
            names = listed([band.name for band in self.bands], _MOST_NAMED)
            yield (
                "bands",
                f"{counted(len(self.bands), 'band')} ({names}{', ' * bool(self.unit)}{self.unit})",
            )
        yield "valid", f"{100 * self.valid.mean():.1f} % valid" if self.valid.size else "empty"
        yield "CRS", crs_name(self.geobox.crs)
        size = resolution_m(self.geobox)
        if size is not None:
            yield "pixel", f"{size:.4g} m"

    def _picture(self, longest: int) -> Picture:
        step = max(-(-max(self.shape) // longest), 1)
        thin = slice(None, None, step)
        return make_picture(
            self.array[:, thin, thin], self.valid[thin, thin], self.bands, self.legend
        )

    def plot(self, ax: Axes | None = None, *, band: str | None = None) -> Axes:
        """Draw the raster: a map with its legend, an image in natural colours, a quantity with a colour bar.

        Parameters
        ----------
        ax : axes of matplotlib to draw into; made where None.
        band : name of a band to show alone.

        Returns
        -------
        The axes; x and y are coordinates where the raster has a transform, else pixels.

        Raises
        ------
        OptionError
            When there is no such band.
        """
        if band is not None:
            return self.select(band).plot(ax)
        if ax is None:
            from matplotlib import pyplot as plt

            ax = plt.subplots(figsize=(9, 7), layout="constrained")[1]
        label = " ".join(filter(None, [self.bands[0].name, self.unit and f"[{self.unit}]"]))
        draw_picture(ax, self._picture(_LONGEST), extent=self._extent(), label=label)
        return ax

    def select(self, *names: str) -> Raster:
        """The bands of these names, in this order.

        Raises
        ------
        OptionError
            When there is no band of a name.
        """
        present = [band.name for band in self.bands]
        for name in names:
            if name not in present:
                raise OptionError(
                    f"There is no band {name!r}; the raster has {listed(present, _MOST_NAMED)}."
                )
        places = [present.index(name) for name in names]
        bands = tuple(self.bands[place] for place in places)
        return Raster(self.array[places], self.valid, self.geobox, bands, self.legend, self.unit)

    def _extent(self) -> tuple[float, float, float, float] | None:
        """Left, right, bottom and top; None where rows do not run along the x axis."""
        if not isinstance(self.geobox, GeoBox):
            return None
        affine = self.geobox.affine
        if affine.b or affine.d or affine.is_identity:
            return None
        rows, cols = self.shape
        return affine.c, affine.c + cols * affine.a, affine.f + rows * affine.e, affine.f

    def to_xarray(self) -> DataArray:
        """Copy into a DataArray of dimensions band, y and x with its CRS (``.odc``, ``.rio``).

        Coordinates are the bands' names and, where they are known, ``wavelength`` in nanometres. Floats
        are NaN where there is no measurement; whole numbers take the legend's nodata, or an unused
        number, stated as ``_FillValue``. Classes stand in the attributes ``flag_values``,
        ``flag_meanings`` (CF conventions; blanks in names become underscores), ``class_names`` and
        ``class_colors``.

        Raises
        ------
        OptionError
            When xarray is not installed.
        """
        from georaster_dl.io.xarrays import to_dataarray

        return to_dataarray(self.array, self.valid, self.geobox, self.bands, self.legend, self.unit)
