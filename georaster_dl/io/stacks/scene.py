"""Stacks as scenes: a plane of each band and date, valid where any date is clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from georaster_dl.core.scene_options import StackOptions
from georaster_dl.io.arrays import is_xarray
from georaster_dl.io.scenes.planes import Plane
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.stacks.clear import clear_shares
from georaster_dl.io.stacks.open import StackSource, open_stack
from georaster_dl.io.stacks.sources import OneSource
from georaster_dl.io.stacks.stack import StackReader, TimeStack

__all__ = ["StackInput", "StackPixels", "clearest_date", "stack_of", "stack_scene"]


@dataclass(frozen=True)
class StackInput:
    """Stack that a run opens as its scene; it can be pickled, so that workers open it, too.

    Attributes
    ----------
    source : as ``open_stack`` takes it.
    options : of reading it.
    since, until : first and last date that are read; None takes all.
    """

    source: StackSource
    options: StackOptions = field(default_factory=StackOptions)
    since: date | None = None
    until: date | None = None

    @property
    def name(self) -> str:
        """Name of the stack."""
        return self.open().name

    def open(self) -> TimeStack:
        """Open the stack.

        Raises
        ------
        SceneError, OptionError
            As ``open_stack``.
        """
        stack = open_stack(self.source, self.options)
        if self.since is None and self.until is None:
            return stack
        return stack.between(self.since, self.until)

    def scene(self) -> Scene:
        """Open the stack as a scene; raises as ``open``."""
        return stack_scene(self.open(), repr((self.options, self.since, self.until)))

    def absolute(self) -> StackInput:
        """Make the paths absolute, for processes with another working folder; addresses stay."""
        if isinstance(self.source, TimeStack) or is_xarray(self.source):
            return self
        if isinstance(self.source, Mapping):
            by_sensor = {str(name): _absolute(own) for name, own in self.source.items()}
            return replace(self, source=by_sensor)
        return replace(self, source=_absolute(self.source))


def _absolute(source: OneSource) -> OneSource:
    if is_xarray(source):
        return source
    if not isinstance(source, str | Path):
        return [str(_absolute(str(one))) for one in source]
    text = str(source)
    # A pattern is a path, too, as far as its first wildcard; an address has a scheme before that.
    return text if "://" in text or text.startswith("/vsi") else str(Path(text).absolute())


@dataclass(frozen=True, eq=False)
class StackPixels:
    """Pixels of a stack as planes: sensor by sensor, date by date, band by band, physical values.

    Attributes
    ----------
    stack : that they are of.
    settings : how it is read, beyond its files, as text.
    """

    stack: TimeStack
    settings: str = ""

    @property
    def path(self) -> str:
        """Name of the stack."""
        return self.stack.name

    @property
    def files(self) -> tuple[str, ...]:
        """All files of the stack, with those of its masks."""
        return tuple(self.stack.source_files())

    def opened(self) -> _OpenPlanes:
        """Open the stack for one thread."""
        return _OpenPlanes(self.stack)


class _OpenPlanes(AbstractContextManager["_OpenPlanes"]):
    """An open stack whose windows are read as planes."""

    def __init__(self, stack: TimeStack) -> None:
        self._stack = stack
        self._closing = ExitStack()
        self._reader: StackReader | None = None
        self.files = tuple(stack.source_files())

    def __enter__(self) -> Self:
        """Open the stack."""
        self._reader = self._closing.enter_context(self._stack.reader())
        return self

    def __exit__(self, *error: object) -> None:
        """Close the stack."""
        self._closing.close()

    def read_planes(
        self,
        positions: Sequence[int],
        window: Window,
        out: npt.NDArray[Any],
        valid: npt.NDArray[np.bool_],
    ) -> None:
        """Read planes of a window, NaN where masked; a pixel is valid where any date of any sensor is."""
        if self._reader is None:
            raise RuntimeError("The planes of a stack are read inside a with block.")
        rows = slice(int(window.row_off), int(window.row_off + window.height))
        cols = slice(int(window.col_off), int(window.col_off + window.width))
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        series = [values for values in self._reader.read(rows, cols) if values.size]
        clear = np.zeros(shape, bool)
        for values in series:
            for first_band in values[:, 0]:  # a date's bands are masked together
                clear |= np.isfinite(first_band)
        sensors = [values.reshape(-1, *shape) for values in series]
        if out.shape[1:] != shape:
            at_rows, at_cols = (_nearest(n, m) for n, m in zip(out.shape[1:], shape, strict=True))
            sensors = [planes[:, at_rows[:, None], at_cols] for planes in sensors]
            clear = clear[at_rows[:, None], at_cols]
        _fill(out, positions, sensors)
        valid &= clear


def _fill(
    out: npt.NDArray[Any], positions: Sequence[int], sensors: Sequence[npt.NDArray[np.float32]]
) -> None:
    """Copy the planes at ``positions`` among all planes of the sensors, without joining these first."""
    first = 0
    for planes in sensors:
        for place, position in enumerate(positions):
            if first <= position < first + len(planes):
                out[place] = planes[position - first]
        first += len(planes)


def _nearest(n: int, size: int) -> npt.NDArray[np.intp]:
    """Places of the nearest of ``size`` pixels for ``n`` of them, as GDAL takes them."""
    return np.minimum(((np.arange(n) + 0.5) * size / n).astype(np.intp), size - 1)


def stack_scene(stack: TimeStack, settings: str = "") -> Scene:
    """Make a scene of a stack, whose planes are the bands of each date.

    A pixel is valid where any date is clear; the values of the others are NaN.

    Parameters
    ----------
    settings : how the stack is read, beyond its files; a record of a run holds it.
    """
    bands = [
        replace(band, name=f"{band.name} {day.isoformat()}")
        for sensor in stack.sensors
        for day in sensor.dates
        for band in sensor.bands
    ]
    planes = tuple(
        Plane(band, stack.name, i, "float32", calibrated=stack.calibrated, nodata=float("nan"))
        for i, band in enumerate(bands, 1)
    )
    return Scene(
        stack.name,
        planes,
        stack.geobox,
        block_rows=stack.block_rows,
        block_cols=stack.block_cols,
        remarks=tuple(stack.remarks),
        memory=StackPixels(stack, settings),
    )


def clearest_date(scene: Scene) -> Scene:
    """Take the bands of the clearest date of a stack's first sensor, for pictures; other scenes stay."""
    stack = stack_of(scene)
    if stack is None:
        return scene
    sensor = stack.sensors[0]
    first = int(clear_shares(stack).sensors[0].argmax()) * len(sensor.bands)
    return scene.select(range(first, first + len(sensor.bands)))


def stack_of(scene: Scene) -> TimeStack | None:
    """Return the stack that a scene was made of; None where it is none."""
    return scene.memory.stack if isinstance(scene.memory, StackPixels) else None
