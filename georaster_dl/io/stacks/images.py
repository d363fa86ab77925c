"""Series of files: each date is a scene, or several of one day."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from georaster_dl.core.geography import Georeference
from georaster_dl.core.process import usable_cpus
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.formats.indices import INDICES
from georaster_dl.io.scenes.assembly import stack_scenes
from georaster_dl.io.scenes.grid import pixel_side
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
    if all(len(some) == 1 for some in days.values()):
        return _named_alike(dated)
    patterns = _band_patterns(days.values())
    joined: list[DatedScene] = []
    for some in days.values():
        named = [_named_by_file(one, patterns) for one in some]
        names = [band.name for one in named for band in one.scene.bands]
        if len(named) == 1 or len(set(names)) < len(names) or any(map(_is_generic, names)):
            joined.extend(named)  # one image, or several of the same bands
            continue
        mask = next((one.mask for one in some if one.mask), None)
        scene = stack_scenes([one.scene for one in named])
        joined.append(replace(some[0], scene=scene, mask=mask))
    return joined


@dataclass(frozen=True)
class _BandPattern:
    """Words before and behind the name of a band in the names of single-band files.

    ``always`` says that the files' own names of bands are the same, so that none is to be kept.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    always: bool

    def part(self, path: str) -> str | None:
        """The name of the band in a file's name, None where the rest differs."""
        words = _words(path)
        end = len(words) - len(self.after)
        fits = words[: len(self.before)] == self.before and words[end:] == self.after
        middle = "_".join(words[len(self.before) : end])
        return _RESOLUTION.sub("", middle) if fits and middle else None


def _words(path: str) -> tuple[str, ...]:
    """Words of a file's name without its dates."""
    return tuple(w for w in re.split(r"[_\-. ]+", without_dates(Path(path).stem)) if w)


def _band_patterns(days: Collection[Sequence[DatedScene]]) -> list[_BandPattern]:
    """Patterns of the names of single-band files, where most days have several of them."""
    single = [
        some for some in days if len(some) > 1 and all(len(one.scene.bands) == 1 for one in some)
    ]
    if len(single) * 2 < len(days):  # else a second image of some days
        return []
    found = (_pattern_of(some) for some in single)
    return list(dict.fromkeys(pattern for pattern in found if pattern is not None))


def _pattern_of(some: Sequence[DatedScene]) -> _BandPattern | None:
    """The words around those in which the names of a date's files differ; None where two do not."""
    words = [_words(one.path) for one in some]
    shortest = min(map(len, words))
    before = next((i for i in range(shortest) if len({w[i] for w in words}) > 1), shortest)
    after = next(
        (i for i in range(shortest - before) if len({w[-1 - i] for w in words}) > 1),
        shortest - before,
    )
    names = {one.scene.bands[0].name for one in some}
    first = words[0]
    pattern = _BandPattern(
        first[:before], first[len(first) - after :], always=len(names) < len(some)
    )
    parts = {pattern.part(one.path) for one in some}
    return pattern if len(parts) == len(some) and None not in parts else None


def _named_by_file(one: DatedScene, patterns: Sequence[_BandPattern]) -> DatedScene:
    """Name the band of a single-band file after the file, unless it has a name of its own."""
    if len(one.scene.bands) != 1:
        return one
    plane = one.scene.planes[0]
    for pattern in patterns:
        part = pattern.part(one.path)
        if part is not None and (pattern.always or _is_generic(plane.band.name)):
            band = named_bands([part])[0]
            if band.wavelength_nm is None:
                band = replace(plane.band, name=part)
            return _with_band(one, band)
    return one


def _named_alike(dated: Sequence[DatedScene]) -> list[DatedScene]:
    """Name single bands alike that have no name, or another at every date: after the index in the files' names."""
    bands = [band for one in dated for band in one.scene.bands]
    names = {band.name for band in bands}
    known = any(band.wavelength_nm is not None for band in bands)
    counters = len(names) == len(bands) > 1 or all(map(_is_generic, names))
    if len(bands) != len(dated) or known or not counters:
        return list(dated)
    indices = [word for word in _words(dated[0].path) if word.upper() in INDICES]
    name = indices[-1].upper() if indices else "band_1"
    return [_with_band(one, replace(one.scene.bands[0], name=name)) for one in dated]


def _with_band(one: DatedScene, band: Band) -> DatedScene:
    plane = replace(one.scene.planes[0], band=band)
    return replace(one, scene=replace(one.scene, planes=(plane,)))


def _is_generic(name: str) -> bool:
    return bool(re.fullmatch(r"band_\d+", name))


def image_series(dated: Iterable[DatedScene]) -> ImageSeries:
    """Put scenes in the order of their dates, with the bands that most of them have.

    Raises
    ------
    SceneError
        When most scenes have no band in common, or their bands have no names and differ in number.
    """
    ordered = sorted(dated, key=lambda one: one.day)
    known = max(ordered, key=lambda one: len(one.scene.bands)).scene.bands
    places = [[find_band(band, one.scene.bands) for band in known] for one in ordered]
    kept = [
        i for i in range(len(known)) if 2 * sum(own[i] is not None for own in places) > len(places)
    ]
    chosen: dict[date, list[Scene]] = {}
    lacking: list[DatedScene] = []
    for one, own in zip(ordered, places, strict=True):
        found = [own[i] for i in kept]
        if None in found or not found:
            lacking.append(one)
        else:
            scene = one.scene.select([place for place in found if place is not None])
            chosen.setdefault(one.day, []).append(scene)
    _check_common(ordered, anything=bool(chosen))
    bands = tuple(known[i] for i in kept)
    return ImageSeries(
        bands=bands,
        dates=tuple(chosen),
        images=tuple(map(tuple, chosen.values())),
        remarks=(
            *_remarks(ordered),
            *_day_remarks(chosen),
            *_band_remarks(ordered, bands),
            *_lacking_remarks(lacking),
        ),
    )


def _check_common(ordered: Sequence[DatedScene], *, anything: bool) -> None:
    first = ordered[0]
    for other in ordered[1:]:
        bands = (*first.scene.bands, *other.scene.bands)
        unnamed = all(_is_generic(band.name) for band in bands)
        if not anything or (unnamed and len(other.scene.bands) != len(first.scene.bands)):
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


def _day_remarks(days: Mapping[date, Sequence[Scene]]) -> list[str]:
    several = {day: some for day, some in days.items() if len(some) > 1}
    if not several:
        return []
    day, some = next(iter(several.items()))
    return [
        f"{counted(len(several), 'day')} ({listed(several)}) have several images, of which a pixel takes the first "
        f"that is valid: of {day} {listed([scene.name for scene in some])}"
    ]


def _band_remarks(ordered: Sequence[DatedScene], kept: Sequence[Band]) -> list[str]:
    every = dict.fromkeys(band for one in ordered for band in one.scene.bands)
    left = [band.name for band in every if find_band(band, kept) is None]
    if not left:
        return []
    return [f"most dates have no band {listed(left, MOST_NAMED)}, which is left out"]


def _lacking_remarks(lacking: Sequence[DatedScene]) -> list[str]:
    if not lacking:
        return []
    return [
        f"{counted(len(lacking), 'image')} without all bands are left out: "
        f"{listed([one.path for one in lacking])}"
    ]
