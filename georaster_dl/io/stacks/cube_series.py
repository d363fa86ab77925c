"""Series of one sensor in cubes of NetCDF, Zarr or xarray."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import MOST_NAMED, Band, named_bands
from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.scenes.grid import is_same_geobox, pixel_side
from georaster_dl.io.scenes.planes import Plane, at_wavelengths, restate
from georaster_dl.io.scenes.quality import Comparison, QualityBand, parse_mask
from georaster_dl.io.stacks.cubes import Cube
from georaster_dl.io.stacks.regrid import Regridding
from georaster_dl.io.stacks.series import fill_invalid

__all__ = ["CubeSeries", "cube_series"]


@dataclass(frozen=True)
class Layer:
    """Cubes of the same bands and grid, which follow each other in time; often a single one."""

    cubes: tuple[Cube, ...]

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Bands of each cube."""
        return self.cubes[0].planes

    @property
    def images(self) -> list[tuple[np.datetime64, int, int]]:
        """Time, cube and place in its axis of every image, in the order of time."""
        every = (
            (stamp, number, place)
            for number, cube in enumerate(self.cubes)
            for place, stamp in enumerate(cube.stamps)
        )
        return sorted(every)


@dataclass(frozen=True)
class CubeMask:
    """Band that masks the images of a series, with the number of its layer."""

    layer: int
    plane: Plane
    rule: QualityBand


@dataclass(frozen=True)
class CubeSeries:
    """Images of one sensor in cubes.

    Attributes
    ----------
    layers : cubes by their bands and grid.
    planes : layer and plane of each band.
    dates : sorted, each once.
    images : of each date, and of each image of that day: cube and place in time, in each layer.
    mask : None where none was asked for.
    remarks : how the cubes were understood where they left room for doubt.
    """

    layers: tuple[Layer, ...]
    planes: tuple[tuple[int, Plane], ...]
    dates: tuple[date, ...]
    images: tuple[tuple[tuple[tuple[int, int], ...], ...], ...]
    mask: CubeMask | None = None
    remarks: tuple[str, ...] = ()

    @property
    def bands(self) -> tuple[Band, ...]:
        """Bands of every date."""
        return tuple(plane.band for _, plane in self.planes)

    @cached_property
    def _finest(self) -> Cube:
        return min((layer.cubes[0] for layer in self.layers), key=lambda c: pixel_side(c.geobox))

    @property
    def geobox(self) -> Georeference:
        """Grid of the finest cube."""
        return self._finest.geobox

    @property
    def geoboxes(self) -> dict[str, Georeference]:
        """Grid of each cube by its name."""
        return {cube.name: cube.geobox for layer in self.layers for cube in layer.cubes}

    @property
    def block(self) -> tuple[int, int]:
        """Rows, cols of the grid that are decoded at once."""
        return self._finest.block

    @property
    def calibrated(self) -> bool:
        """Whether all variables say that their numbers are physical values."""
        return all(plane.calibrated for _, plane in self.planes)

    def take(self, dates: Sequence[int]) -> CubeSeries:
        """Give the series of some dates, by their places in ascending order."""
        return replace(
            self,
            dates=tuple(self.dates[i] for i in dates),
            images=tuple(self.images[i] for i in dates),
        )

    def reader(self, indices: Sequence[int], geobox: Georeference) -> CubeReader:
        """Open a reader of some bands on a grid."""
        return CubeReader(self, indices, geobox)

    def source_files(self) -> list[str]:
        """List every cube that pixels come from."""
        cubes = (cube for layer in self.layers for cube in layer.cubes if cube.memory is None)
        return list(dict.fromkeys(cube.name for cube in cubes))


class CubeReader:
    """Open cubes of a series. Not to be shared between threads; open one in each.

    NetCDF's library takes one thread at a time, so dates are not decoded in several.
    """

    def __init__(self, series: CubeSeries, indices: Sequence[int], geobox: Georeference) -> None:
        self._series = series
        self._planes = [series.planes[i] for i in indices]
        self._geobox = geobox
        self._stack = ExitStack()
        self._datasets: dict[str, Any] = {}
        self._regriddings: dict[Georeference, Regridding] = {}
        self._every = [image for some in series.images for image in some]

    def __enter__(self) -> Self:
        """Do nothing: cubes are opened when they are first read."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the cubes."""
        self._stack.close()
        self._datasets.clear()

    def _dataset(self, cube: Cube) -> Any:
        if cube.name not in self._datasets:
            dataset = cube.opened()
            self._stack.callback(cube.close, dataset)
            self._datasets[cube.name] = dataset
        return self._datasets[cube.name]

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """Read physical values (dates, bands, rows, cols), NaN in all bands where any is invalid or masked."""
        window = rows, cols
        shape = (
            len(self._every),
            len(self._planes),
            rows.stop - rows.start,
            cols.stop - cols.start,
        )
        out = np.empty(shape, np.float32)
        for number in dict.fromkeys(layer for layer, _ in self._planes):
            places = [i for i, (layer, _) in enumerate(self._planes) if layer == number]
            planes = [self._planes[i][1] for i in places]
            out[:, places] = self._layer(number, planes, window, nearest=False)
        valid: npt.NDArray[np.bool_] = np.asarray(np.isfinite(out).all(axis=1))
        mask = self._series.mask
        if mask is not None:
            stored = replace(mask.plane, scale=1.0, offset=0.0, nodata=None)
            values = self._layer(mask.layer, [stored], window, nearest=True)[:, 0]
            valid &= mask.rule.usable(values) & np.isfinite(values)
        np.copyto(out, np.nan, where=~valid[:, None])
        return self._by_day(out)

    def _by_day(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Values of each date, from those of each image: of several a pixel takes the first that is valid."""
        several = [len(some) for some in self._series.images]
        if len(images) == len(several):
            return images
        starts = np.cumsum([0, *several[:-1]])
        for start, number in zip(starts, several, strict=True):
            for other in images[start + 1 : start + number]:
                fill_invalid(images[start], other)
        return np.asarray(images[starts])

    def _layer(
        self, number: int, planes: Sequence[Plane], window: tuple[slice, slice], *, nearest: bool
    ) -> npt.NDArray[np.float32]:
        """Values (images, planes, rows, cols) of a layer's planes, on the grid of the stack."""
        rows, cols = window
        shape = (len(self._every), len(planes), rows.stop - rows.start, cols.stop - cols.start)
        out = np.full(shape, np.nan, np.float32)
        for place, cube in enumerate(self._series.layers[number].cubes):
            mine = [i for i, image in enumerate(self._every) if image[number][0] == place]
            if not mine:
                continue
            times = [self._every[i][number][1] for i in mine]
            if is_same_geobox(cube.geobox, self._geobox):
                out[mine] = cube.read(self._dataset(cube), planes, times, window)
                continue
            source = self._regridding(cube).window(rows, cols)
            if source is not None:
                theirs = source.rows, source.cols
                values = cube.read(self._dataset(cube), planes, times, theirs)
                out[mine] = source.nearest(values) if nearest else source.bilinear(values)
        return out

    def _regridding(self, cube: Cube) -> Regridding:
        if cube.geobox not in self._regriddings:
            self._regriddings[cube.geobox] = Regridding(cube.geobox, self._geobox)
        return self._regriddings[cube.geobox]


def cube_series(cubes: Sequence[Cube], options: SceneOptions) -> CubeSeries:
    """Put the cubes of one sensor together.

    Raises
    ------
    SceneError
        When cubes of different bands have no date in common, or two hold the same band of the same dates.
    OptionError
        When ``options`` names bands that are not there.
    """
    layers = _layers(cubes)
    dates, images, remarks = _images(layers)
    planes = [(i, plane) for i, layer in enumerate(layers) for plane in layer.planes]
    restated = restate([p for _, p in planes], options)
    if options.wavelengths is not None:
        restated = at_wavelengths(restated, options.wavelengths, cubes[0].name)
    planes = [(i, plane) for (i, _), plane in zip(planes, restated, strict=True)]
    mask = None if options.mask is None else _mask(planes, options.mask, cubes[0].name)
    if options.bands is not None:
        planes = _named(planes, options.bands, cubes[0].name)
    if mask is not None and not isinstance(mask.rule.rule, Comparison):
        place = mask.layer, mask.plane.path, mask.plane.index
        planes = [(i, plane) for i, plane in planes if (i, plane.path, plane.index) != place]
    _check_names(planes)
    return CubeSeries(tuple(layers), tuple(planes), dates, images, mask, tuple(remarks))


def _layers(cubes: Sequence[Cube]) -> list[Layer]:
    """Cubes by their bands; those of the same bands follow each other in time."""
    same: dict[tuple[str, ...], list[Cube]] = {}
    for cube in cubes:
        same.setdefault(tuple(plane.band.name for plane in cube.planes), []).append(cube)
    return [Layer(tuple(some)) for some in same.values()]


def _images(
    layers: Sequence[Layer],
) -> tuple[tuple[date, ...], tuple[tuple[tuple[tuple[int, int], ...], ...], ...], list[str]]:
    """The dates, and of each image of a day its place in every layer.

    Images of several layers belong together by their times, or where these differ by their days.
    """
    by_time = [_places(layer, "s") for layer in layers]
    by_day = [_places(layer, "D") for layer in layers]
    moments = set.intersection(*(set(own) for own in by_time))
    shared_days = set.intersection(*(set(own) for own in by_day))
    if len({moment.astype("datetime64[D]") for moment in moments}) == len(shared_days):
        shared, places = moments, by_time
    else:
        shared, places = shared_days, by_day
    if not shared:
        names = listed([layer.cubes[0].name for layer in layers])
        raise SceneError(
            f"{names} have no date in common, so their bands make no images together; give them as sensors of their own."
        )
    days: dict[date, list[tuple[tuple[int, int], ...]]] = {}
    for moment in sorted(shared):
        day = moment.astype("datetime64[D]").item()
        days.setdefault(day, []).extend(
            zip(*(own[moment] for own in places), strict=False)  # as many as every layer has
        )
    every = set.union(*(set(own) for own in by_day))
    return (
        tuple(days),
        tuple(tuple(some) for some in days.values()),
        [*_lost_remarks(len(every) - len(shared_days)), *_day_remarks(days)],
    )


def _places(layer: Layer, unit: str) -> dict[np.datetime64, list[tuple[int, int]]]:
    found: dict[np.datetime64, list[tuple[int, int]]] = {}
    for stamp, cube, place in layer.images:
        found.setdefault(stamp.astype(f"datetime64[{unit}]"), []).append((cube, place))
    return found


def _lost_remarks(number: int) -> list[str]:
    return [f"{counted(number, 'date')} without all bands are left out"] if number else []


def _day_remarks(days: Mapping[date, Sequence[object]]) -> list[str]:
    several = [day for day, some in days.items() if len(some) > 1]
    if not several:
        return []
    return [
        f"{counted(len(several), 'day')} ({listed(several)}) have several images, of which a pixel takes the first "
        f"that is valid"
    ]


def _mask(planes: Sequence[tuple[int, Plane]], text: str, name: str) -> CubeMask:
    wanted, rule = parse_mask(text)
    for layer, plane in planes:
        if wanted.casefold() in (plane.band.name.casefold(), plane.path.casefold()):
            band = QualityBand(name, plane.index, rule, plane.scale, plane.offset)
            return CubeMask(layer, plane, band)
    raise OptionError(
        f"`mask='{text}'` is no variable of {name}, which has {listed([p.band.name for _, p in planes], MOST_NAMED)}; "
        f"name one of them."
    )


def _named(
    planes: list[tuple[int, Plane]], names: tuple[str, ...], cube: str
) -> list[tuple[int, Plane]]:
    """Choose bands by their names; or name those of a cube that has no names."""
    present = {plane.band.name: (layer, plane) for layer, plane in planes}
    if set(names) <= set(present):
        return [present[name] for name in names]
    nameless = all(re.fullmatch(r"band_\d+", name) for name in present)
    if nameless and len(names) == len(planes):
        pairs = zip(planes, named_bands(names), strict=True)
        return [(layer, replace(plane, band=band)) for (layer, plane), band in pairs]
    raise OptionError(
        f"`bands=` names {listed(names, MOST_NAMED)}, but {cube} has {listed(present, MOST_NAMED)}; name some of those."
    )


def _check_names(planes: Sequence[tuple[int, Plane]]) -> None:
    names = [plane.band.name for _, plane in planes]
    twice = {name for name in names if names.count(name) > 1}
    if twice or not names:
        raise SceneError(
            f"Several cubes have the bands {listed(sorted(twice))}, but differ in others; choose cubes or `bands=` so that "
            f"each band is there once."
            if twice
            else "No band is left beside the mask; give a cube with bands."
        )
