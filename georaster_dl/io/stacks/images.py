"""Series of files: each date is a scene, or several of one day."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import MOST_NAMED, Band, find_band, named_bands
from georaster_dl.core.errors import SceneError
from georaster_dl.core.process import usable_cpus
from georaster_dl.core.raster import Georeference
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.grid import pixel_side
from georaster_dl.io.scenes.reader import stack_scenes
from georaster_dl.io.scenes.scene import Scene, SceneReader, source_files
from georaster_dl.io.stacks.dates import without_dates
from georaster_dl.io.stacks.series import fill_invalid

__all__ = ["DatedScene", "ImageSeries", "image_series", "join_bands"]

_MOST_OPEN = 256  # files that one reader keeps open
_ALIKE = 1.01  # times the finest pixel, up to which others count as equally fine
_RESOLUTION = re.compile(r"_\d+m$")


@dataclass(frozen=True)
class DatedScene:
    """A scene with its date, the path or address that it was opened from, and a mask of its own."""

    scene: Scene
    day: date
    path: str
    mask: str | None = None


@dataclass(frozen=True)
class ImageSeries:
    """Scenes of one sensor by their dates.

    Attributes
    ----------
    bands : of every date.
    dates : sorted, each once.
    images : scenes of each date in the order in which they count, each with the planes of ``bands``.
    remarks : how the files were understood where they left room for doubt.
    """

    bands: tuple[Band, ...]
    dates: tuple[date, ...]
    images: tuple[tuple[Scene, ...], ...]
    remarks: tuple[str, ...] = ()

    @cached_property
    def _finest(self) -> Scene:
        """The scene on whose grid most of the finest are."""
        scenes = {scene.geobox: scene for some in self.images for scene in some}
        grids = Counter(scene.geobox for some in self.images for scene in some)
        sides = {grid: pixel_side(grid) for grid in grids}
        fine = [grid for grid in grids if sides[grid] <= min(sides.values()) * _ALIKE]
        return scenes[max(fine, key=grids.__getitem__)]

    @property
    def geobox(self) -> Georeference:
        """Grid that most of the finest scenes share."""
        return self._finest.geobox

    @property
    def geoboxes(self) -> dict[str, Georeference]:
        """Every other grid among the scenes, by the name of a scene that has it."""
        scenes = {scene.geobox: scene.name for some in self.images for scene in some}
        return {name: geobox for geobox, name in scenes.items()}

    @property
    def block(self) -> tuple[int, int]:
        """Rows, cols of the grid that its files decode at once."""
        return self._finest.block_rows, self._finest.block_cols

    @property
    def calibrated(self) -> bool:
        """Whether all files say that their numbers are physical values."""
        return all(p.calibrated for some in self.images for scene in some for p in scene.planes)

    def take(self, dates: Sequence[int]) -> ImageSeries:
        """Give the series of some dates, by their places in ascending order."""
        return replace(
            self,
            dates=tuple(self.dates[i] for i in dates),
            images=tuple(self.images[i] for i in dates),
        )

    def reader(self, indices: Sequence[int], geobox: Georeference) -> ImageReader:
        """Open a reader of some bands on a grid."""
        images = [
            [replace(scene.select(indices), geobox=geobox) for scene in some]
            for some in self.images
        ]
        return ImageReader(images)

    def source_files(self) -> list[str]:
        """List every file that pixels come from."""
        found = (source_files(scene) for some in self.images for scene in some)
        return list(dict.fromkeys(path for paths in found for path in paths))


class ImageReader:
    """Files of a series, opened when they are first read. Not to be shared between threads; open one in each.

    Dates are decoded in threads. No more than a few hundred files are kept open; those beyond are opened
    for every window.

    Parameters
    ----------
    images : scenes of each date, on the grid to be read.
    """

    def __init__(self, images: Sequence[Sequence[Scene]]) -> None:
        self._images = images
        self._stack = ExitStack()
        self._open: dict[tuple[int, int], SceneReader] = {}
        self._kept = _first_files(images, _MOST_OPEN)
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Start the threads."""
        threads = min(usable_cpus(), len(self._images))
        if threads > 1:
            self._pool = self._stack.enter_context(ThreadPoolExecutor(threads))
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the files."""
        if self._pool is not None:
            self._pool.shutdown()
        for reader in self._open.values():
            reader.__exit__(None, None, None)
        self._open.clear()
        self._stack.close()

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """Read physical values (dates, bands, rows, cols), NaN in all bands where any is invalid or masked."""
        n_bands = len(self._images[0][0].planes)
        shape = (len(self._images), n_bands, rows.stop - rows.start, cols.stop - cols.start)
        out = np.empty(shape, np.float32)

        def read_date(number: int) -> None:
            with gdal_environment():  # each thread has its own
                self._read_date(number, rows, cols, out[number])

        numbers = range(len(self._images))
        for _ in (
            map(read_date, numbers) if self._pool is None else self._pool.map(read_date, numbers)
        ):
            pass
        return out

    def _read_date(
        self, number: int, rows: slice, cols: slice, out: npt.NDArray[np.float32]
    ) -> None:
        for place in range(len(self._images[number])):
            if place == 0:
                self._read_image((number, 0), rows, cols, out)
            elif np.isnan(out[0]).any():
                others = np.empty_like(out)
                self._read_image((number, place), rows, cols, others)
                fill_invalid(out, others)

    def _read_image(
        self, key: tuple[int, int], rows: slice, cols: slice, out: npt.NDArray[np.float32]
    ) -> None:
        scene = self._images[key[0]][key[1]]
        if key in self._kept:
            if key not in self._open:
                self._open[key] = SceneReader(scene, threads=1).__enter__()
            stored, valid = self._open[key].read(rows, cols)
        else:
            with SceneReader(scene, threads=1) as reader:
                stored, valid = reader.read(rows, cols)
        scene.to_physical(stored, out=out)
        out[:, ~valid] = np.nan


def _first_files(images: Sequence[Sequence[Scene]], most: int) -> set[tuple[int, int]]:
    """Places of the scenes whose files together are no more than ``most``."""
    kept, files = set(), 0
    for number, some in enumerate(images):
        for place, scene in enumerate(some):
            files += len({plane.path for plane in scene.planes}) + (scene.quality is not None)
            if files <= most:
                kept.add((number, place))
    return kept


def join_bands(dated: Sequence[DatedScene]) -> list[DatedScene]:
    """Make one scene of the files of a date that hold a band or several each, and differ in them.

    Single bands without names of their own, or of one name, are called by the part of the file's name in
    which the files of a date differ.
    """
    days: dict[date, list[DatedScene]] = {}
    for one in dated:
        days.setdefault(one.day, []).append(one)
    several = [some for some in days.values() if len(some) > 1]
    named = len(several) * 2 >= len(days)  # else a second image of some days
    joined: list[DatedScene] = []
    for some in days.values():
        bands = _bands_apart(some, by_name=named) if len(some) > 1 else None
        joined.extend(some if bands is None else [bands])
    return joined


def _bands_apart(some: Sequence[DatedScene], *, by_name: bool) -> DatedScene | None:
    """One scene of files with other bands each; None where they are images of the same bands."""
    scenes = [one.scene for one in some]
    names = [band.name for scene in scenes for band in scene.bands]
    if len(set(names)) < len(names) or any(_is_generic(name) for name in names):
        if not by_name or any(len(scene.bands) != 1 for scene in scenes):
            return None
        by_file = _varying_parts([Path(one.path).stem for one in some])
        if by_file is None:
            return None
        taken = len(set(names)) < len(names)
        pairs = zip(scenes, names, by_file, strict=True)
        scenes = [_renamed(s, part) if taken or _is_generic(n) else s for s, n, part in pairs]
    mask = next((one.mask for one in some if one.mask), None)
    return replace(some[0], scene=stack_scenes(scenes), mask=mask)


def _is_generic(name: str) -> bool:
    return bool(re.fullmatch(r"band_\d+", name))


def _renamed(scene: Scene, name: str) -> Scene:
    plane = scene.planes[0]
    band = named_bands([name])[0]
    if band.wavelength_nm is None:
        band = replace(plane.band, name=name)
    return replace(scene, planes=(replace(plane, band=band),))


def _varying_parts(stems: Sequence[str]) -> list[str] | None:
    """The part of each name, without its dates, in which it differs from the others; None where two do not."""
    words = [[w for w in re.split(r"[_\-. ]+", without_dates(stem)) if w] for stem in stems]
    shortest = min(map(len, words))
    before = next((i for i in range(shortest) if len({w[i] for w in words}) > 1), shortest)
    after = next(
        (i for i in range(shortest - before) if len({w[-1 - i] for w in words}) > 1),
        shortest - before,
    )
    parts = ["_".join(w[before : len(w) - after]) for w in words]
    if len(set(parts)) < len(parts) or not all(parts):
        return None
    short = [_RESOLUTION.sub("", part) for part in parts]
    return short if len(set(short)) == len(short) else parts


def image_series(dated: Iterable[DatedScene]) -> ImageSeries:
    """Put scenes with the bands of all of them in the order of their dates.

    Raises
    ------
    SceneError
        When the scenes have no band in common, or their bands have no names and differ in number.
    """
    ordered = sorted(dated, key=lambda one: one.day)
    days: dict[date, list[DatedScene]] = {}
    for one in ordered:
        days.setdefault(one.day, []).append(one)
    first = ordered[0].scene
    places = [[find_band(band, one.scene.bands) for band in first.bands] for one in ordered]
    shared = [i for i in range(len(first.bands)) if all(own[i] is not None for own in places)]
    _check_shared(ordered, shared)
    chosen = {
        id(one): one.scene.select([own[i] for i in shared])  # type: ignore[misc]
        for one, own in zip(ordered, places, strict=True)
    }
    return ImageSeries(
        bands=tuple(first.bands[i] for i in shared),
        dates=tuple(days),
        images=tuple(tuple(chosen[id(one)] for one in some) for some in days.values()),
        remarks=(*_remarks(ordered), *_day_remarks(days), *_band_remarks(ordered, shared)),
    )


def _check_shared(ordered: Sequence[DatedScene], shared: Sequence[int]) -> None:
    first = ordered[0]
    for other in ordered[1:]:
        unnamed = all(_is_generic(b.name) for b in (*first.scene.bands, *other.scene.bands))
        if not shared or (unnamed and len(other.scene.bands) != len(first.scene.bands)):
            raise SceneError(
                f"The bands of {first.path} are {listed(first.scene.bands, MOST_NAMED)}, those of {other.path} "
                f"{listed(other.scene.bands, MOST_NAMED)}, so they are no series of one sensor; name the bands in the "
                f"files, leave out the ones that differ, or give them as sensors of their own."
            )


def _remarks(ordered: Sequence[DatedScene]) -> list[str]:
    """Remarks on scenes, once each kind: those of a thousand files say the same."""
    remarks = [remark for one in ordered for remark in one.scene.remarks]
    more = f" (and {counted(len(remarks) - 1, 'such remark')} on other scenes)"
    return [f"{remarks[0]}{more if len(remarks) > 1 else ''}"] if remarks else []


def _day_remarks(days: Mapping[date, Sequence[DatedScene]]) -> list[str]:
    several = {day: some for day, some in days.items() if len(some) > 1}
    if not several:
        return []
    day, some = next(iter(several.items()))
    return [
        f"{counted(len(several), 'day')} ({listed(several)}) have several images, of which a pixel takes the first "
        f"that is valid: of {day} {listed([one.path for one in some])}"
    ]


def _band_remarks(ordered: Sequence[DatedScene], shared: Sequence[int]) -> list[str]:
    names = {ordered[0].scene.bands[i].name for i in shared}
    absent = dict.fromkeys(
        band.name
        for one in ordered
        for band in one.scene.bands
        if len(one.scene.bands) > len(names)
    )
    left = [name for name in absent if name not in names]
    if not left:
        return []
    return [f"not every date has the bands {listed(left, MOST_NAMED)}, which are left out"]
