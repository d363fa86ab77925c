"""Open stacks of dated images: files, products, STAC items and cubes."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeAlias

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.scene_options import SceneOptions, StackOptions
from georaster_dl.core.wording import listed
from georaster_dl.io.arrays import is_xarray
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.formats import sentinel2, stac
from georaster_dl.io.formats.indices import find_index
from georaster_dl.io.formats.metadata import acquisition_date
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import overlap, pixel_side
from georaster_dl.io.scenes.quality import is_quality_name, parse_mask
from georaster_dl.io.scenes.reader import offers_mask, open_scene
from georaster_dl.io.stacks.cube_series import cube_series
from georaster_dl.io.stacks.cubes import Cube, is_cube_path, open_cube
from georaster_dl.io.stacks.dates import date_in_path, spellings
from georaster_dl.io.stacks.images import DatedScene, image_series, join_bands
from georaster_dl.io.stacks.series import SensorSeries, Series
from georaster_dl.io.stacks.sources import ListedImage, OneSource, list_images, source_name
from georaster_dl.io.stacks.stack import TimeStack

__all__ = ["StackSource", "open_stack"]

StackSource: TypeAlias = "OneSource | Mapping[str, OneSource] | TimeStack"
"""Images of a sensor, or of several by their names; or a stack that is open already."""

_DATE = "{date}"
_OPENING = 8  # threads


@dataclass(frozen=True)
class _Opened:
    """Images or cubes of a sensor, and how they were understood."""

    scenes: tuple[DatedScene, ...] = ()
    cubes: tuple[Cube, ...] = ()
    remarks: tuple[str, ...] = ()

    def offers(self, mask: str) -> bool:
        """Whether the option ``mask`` means a band, layer or file of the sensor."""
        if self.cubes:
            name = parse_mask(mask)[0].casefold()
            return any(p.band.name.casefold() == name for c in self.cubes for p in c.planes)
        if _DATE in mask:
            return any(_mask_files(mask, one.day)[1] for one in self.scenes)
        return offers_mask(self.scenes[0].scene, mask)

    def series(self, reading: SceneOptions) -> Series:
        """Put them in the order of their dates."""
        if self.cubes:
            return cube_series(self.cubes, reading)
        return image_series(
            replace(one, scene=open_scene(one.scene, _reading(one, reading))) for one in self.scenes
        )


def open_stack(source: StackSource, options: StackOptions | None = None) -> TimeStack:
    """Describe a stack of dated images without reading their pixels.

    Parameters
    ----------
    source : one of

        - a folder or a pattern (``*``, ``**``) of dated scenes, or a list of them;
        - a table (.csv) with the columns ``path`` and ``date``, and where wanted ``sensor`` and ``mask``;
        - a STAC collection, an item collection, or several items;
        - cubes of NetCDF or Zarr, or a DataArray or Dataset of xarray, with an axis of time;
        - a mapping of the names of sensors to such sources, whose dates are their own.
    options : overrides for every scene, pattern of dates, and indices to derive. Of several sensors a mask by a
        band's name masks those that have it.

    Returns
    -------
    The stack on the finest grid of its images; others are resampled to it.

    Raises
    ------
    SceneError
        When an image is missing, has no date, or does not fit the others.
    OptionError
        When an option does not fit the images.
    """
    if isinstance(source, TimeStack):
        return source
    options = options or StackOptions()
    with tempfile.TemporaryDirectory(prefix="geodl-items-") as items, gdal_environment():
        opened = _open_sensors(source, options, Path(items))
        series = _series(opened, options.reading)
        finest = min((own.geobox for own in series.values()), key=pixel_side)
        name = source_name(source)
        for own in series.values():
            _check_overlap(own, finest, name)
    remarks = [
        *(remark for own in opened.values() for remark in own.remarks),
        *(remark for own in series.values() for remark in own.remarks),
        *_all_quality_remarks(series, options.reading),
    ]
    return TimeStack(
        name=name,
        series=_with_indices(series, options.indices, named=options.reading.bands is not None),
        geobox=finest,
        mask=options.reading.mask or "",
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _open_sensors(
    source: OneSource | Mapping[str, OneSource], options: StackOptions, items: Path
) -> dict[str, _Opened]:
    if is_xarray(source):
        cube = open_cube(source, source_name(source))  # type: ignore[arg-type]
        if cube is None:
            raise SceneError(
                f"The {source_name(source)} has no variable with axes of time, rows and cols; give one with the "
                f"dimensions time, y, x and at most one more, of bands."
            )
        return {"images": _Opened(cubes=(cube,))}
    if isinstance(source, Mapping):
        sensors = {}
        for number, (name, own) in enumerate(source.items()):
            parts = _open_sensors(own, options, items / str(number)).values()
            sensors[str(name)] = _Opened(
                tuple(scene for part in parts for scene in part.scenes),
                tuple(cube for part in parts for cube in part.cubes),
                tuple(remark for part in parts for remark in part.remarks),
            )
        return sensors
    return {
        name: _open_images(images, options.date_pattern)
        for name, images in list_images(source, items).items()
    }


def _open_images(images: Sequence[ListedImage], pattern: str | None) -> _Opened:
    """Open the images of a sensor, and find their dates."""
    cubes = {
        image: open_cube(image.sources[0])
        for image in images
        if len(image.sources) == 1 and is_cube_path(image.sources[0])
    }
    found = tuple(cube for cube in cubes.values() if cube is not None)
    if not found:
        return _Opened(scenes=tuple(_dated(images, pattern)))
    others = [image.sources[0] for image in images if image not in cubes]
    if others:
        raise SceneError(
            f"{found[0].name} has a time axis, but {listed(others)} is one date; give them as sensors of their own."
        )
    static = [image.sources[0] for image, cube in cubes.items() if cube is None]
    remark = f"{listed(static)} has no variable with axes of time, rows and cols, and is left out"
    return _Opened(cubes=found, remarks=(remark,) if static else ())


def _dated(images: Sequence[ListedImage], pattern: str | None) -> list[DatedScene]:
    def opened(image: ListedImage) -> DatedScene:
        with gdal_environment():  # each thread has its own
            day = image.day or _date_of(image.sources[0], pattern)
            scene = open_scene(image.sources if len(image.sources) > 1 else image.sources[0])
            return DatedScene(scene, day, image.sources[0], image.mask)

    with ThreadPoolExecutor(_OPENING) as pool:
        return join_bands(list(pool.map(opened, images)))


def _series(opened: Mapping[str, _Opened], reading: SceneOptions) -> dict[str, Series]:
    """Series of each sensor; of several a mask is for those that have it."""
    mask = reading.mask
    if mask is None or len(opened) == 1:
        return {name: own.series(reading) for name, own in opened.items()}
    masked = [name for name, own in opened.items() if own.offers(mask)]
    if not masked:
        raise OptionError(
            f"`mask='{mask}'` is a band, layer or file of none of the sensors {listed(opened)}; name one of theirs."
        )
    plain = replace(reading, mask=None)
    return {name: own.series(reading if name in masked else plain) for name, own in opened.items()}


def _with_indices(
    series: Mapping[str, Series], names: Sequence[str], *, named: bool
) -> tuple[SensorSeries, ...]:
    """The series of each sensor, with the indices that can be derived of its bands.

    Parameters
    ----------
    named : whether the user named the bands; else those that hold classes or bits are no measurements.
    """
    sensors = [SensorSeries(name, own, _measured(own, named)) for name, own in series.items()]
    for index in map(find_index, names):
        able = [i for i, sensor in enumerate(sensors) if sensor.derives(index)]
        for i in able or [0]:
            sensors[i] = sensors[i].with_index(index)  # which says why where none can
    return tuple(sensors)


def _reading(one: DatedScene, reading: SceneOptions) -> SceneOptions:
    """The options of one image, whose mask may be a file of its date."""
    stated = one.mask or reading.mask
    if stated is None or _DATE not in stated:
        return replace(reading, mask=stated)
    tried, found = _mask_files(stated, one.day)
    if not found:
        raise OptionError(
            f"`mask='{stated}'` finds no file for {one.day} (looked for {listed(tried)}); add it, or leave {one.path} "
            f"out."
        )
    _, equals, rule = stated.partition("=")
    return replace(reading, mask=f"{found[0]}{equals}{rule}")


def _mask_files(mask: str, day: date) -> tuple[list[str], list[str]]:
    """Patterns of the mask file of a date, one for each way to spell this; and the files that fit."""
    name = mask.partition("=")[0]
    tried = [name.replace(_DATE, spelt) for spelt in spellings(day)]
    return tried, [path for pattern in tried for path in sorted(glob.glob(pattern))]  # noqa: PTH207


def _date_of(source: str, pattern: str | None) -> date:
    """Find the date of an image: of the pattern, the STAC item, the product, or else the path or the tags.

    The date on which a file was written says nothing of when the image was taken, so it is not asked.
    """
    if pattern is not None:
        found: date | None = date_in_path(source, pattern)
    elif stac.is_item(source):
        found = stac.item_date(source)
    else:
        found = sentinel2.sensing_date(Path(source)) or date_in_path(source) or _tagged(source)
    if found is None:
        raise SceneError(
            f"{source} names no date (like 2023-05-14, 20230514, 2023_05_14 or 2023134); say where it is with "
            f"`date_pattern=`, or give a table (.csv) with the columns path and date."
        )
    return found


def _tagged(source: str) -> date | None:
    with open_dataset(source) as dataset:
        return acquisition_date(dataset)


def _check_overlap(series: Series, geobox: Georeference, name: str) -> None:
    """Check that every image overlaps the grid of the stack."""
    for image, own in series.geoboxes.items():
        if not overlap(geobox, own):
            raise SceneError(
                f"{image} does not overlap the grid of {name}; leave it out, or give the images of one place only."
            )


def _all_quality_remarks(series: Mapping[str, Series], reading: SceneOptions) -> list[str]:
    if reading.bands is not None:
        return []
    return [remark for sensor, own in series.items() for remark in _quality_remarks(sensor, own)]


def _measured(series: Series, named: bool) -> tuple[int, ...]:
    """Places of the bands that are measurements; of all where there is no other."""
    every = tuple(range(len(series.bands)))
    measured = tuple(i for i in every if named or not is_quality_name(series.bands[i].name))
    return measured or every


def _quality_remarks(sensor: str, series: Series) -> list[str]:
    """Remark on bands that hold classes or bits, not measurements."""
    return [
        f"the band {band.name} of {sensor} holds classes or bits and is left out; `mask='{band.name}'` masks clouds by it, "
        f"and `bands=` reads it as a measurement"
        for band in series.bands
        if is_quality_name(band.name)
    ]
