"""Scenes of two dates: checked together, mapped by one model, and their shift."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.changes.pair import Placing, place
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Event, Report, Warned
from georaster_dl.core.wording import listed
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.temporary import make_folder
from georaster_dl.io.scenes.checks.shift import Shift, estimate_shift
from georaster_dl.io.scenes.reader import Sources
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.models.package.file import read_card
from georaster_dl.predict.limitations import run_limitations
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import SegmentRun
from georaster_dl.render.stretch import red_green_blue

__all__ = ["ScenePair"]

_SMALLEST, _LARGEST = 32, 128  # pixels: side of the windows that the shift is estimated from
_ACROSS = 5  # windows along each axis


class ScenePair:
    """Scenes of two dates that one model can map.

    Parameters
    ----------
    sources : of both dates.
    model : package of a model of classes.
    options : how the scenes are read and the model is run.
    folder : to be made for the maps.
    report : called with the events of both runs, warnings with the date in front.

    Attributes
    ----------
    scenes : bands of both dates that the model reads.

    Raises
    ------
    GeoRasterError
        As ``segment`` raises it for either scene; also when the model has no classes, or the grids differ.
    """

    def __init__(
        self,
        sources: tuple[Sources, Sources],
        model: Path,
        options: SegmentOptions,
        folder: Path,
        report: Report,
    ) -> None:
        card = read_card(model)
        if not card.classes:
            raise OptionError(
                f"{card.name} predicts {card.predicts}, and no classes that could change; name a model of classes."
            )
        self._folder, self._report = folder, report
        self._runs = [
            SegmentRun(each, model, _outputs(path), options, _named(report, path.stem))
            for each, path in zip(sources, self._paths, strict=True)
        ]
        before, after = (run.prepared.match.scene for run in self._runs)
        self.scenes = before, after
        self._placing = place(before.geobox, after.geobox, _names(before, after), "bilinear")
        _warn_of_absent([set(run.prepared.match.absent) for run in self._runs], report)

    @property
    def _paths(self) -> tuple[Path, Path]:
        return self._folder / "before.tif", self._folder / "after.tif"

    @contextmanager
    def maps(self) -> Iterator[tuple[Path, Path]]:
        """Map both dates, with confidence, into the folder, which is removed when the block ends."""
        make_folder(self._folder)
        try:
            said: dict[str, None] = {}
            for run in self._runs:
                made = run.whole()
                stated = run_limitations(
                    made.card, made.model.stem, made.findings.counts, made.place
                )
                said |= dict.fromkeys(stated)
            for message in said:
                self._report(Warned(message))
            yield self._paths
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def shift(self) -> Shift | None:
        """Estimate the shift between the two images; None where they have no texture in common."""
        with (
            gdal_environment(),
            _Picture(self.scenes[0]) as before,
            _Picture(self.scenes[1]) as after,
        ):
            return estimate_shift(
                (before.read(rows, cols), after.read(*_moved(rows, cols, self._placing)))
                for rows, cols in self._windows()
            )

    def _windows(self) -> Iterator[tuple[slice, slice]]:
        """Yield rows and cols, in the first scene, of windows spread over the common extent."""
        common = [
            (max(start, 0), min(start + theirs, ours))
            for start, ours, theirs in zip(
                (self._placing.rows, self._placing.cols),
                self.scenes[0].shape,
                self.scenes[1].shape,
                strict=True,
            )
        ]
        shortest = min(stop - start for start, stop in common)
        side = min(max(shortest // 2, _SMALLEST), _LARGEST, shortest)
        down, across = (
            np.unique(np.linspace(start, stop - side, _ACROSS).astype(int))
            for start, stop in common
        )
        for row in down.tolist():
            for col in across.tolist():
                yield slice(row, row + side), slice(col, col + side)


class _Picture:
    """Visible bands of a scene, read window by window."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene.select(list(dict.fromkeys(red_green_blue(scene.bands))))
        self._reader = SceneReader(self._scene)

    def __enter__(self) -> _Picture:
        self._reader.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._reader.__exit__(*exc)

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """(bands, rows, cols) physical values, NaN where not valid."""
        stored, valid = self._reader.read(rows, cols)
        values = self._scene.to_physical(stored)
        values[:, ~valid] = np.nan
        return values


def _moved(rows: slice, cols: slice, placing: Placing) -> tuple[slice, slice]:
    """Convert rows and cols of the first scene to those of the second."""
    return (
        slice(rows.start - placing.rows, rows.stop - placing.rows),
        slice(cols.start - placing.cols, cols.stop - placing.cols),
    )


def _outputs(path: Path) -> Outputs:
    return Outputs(path, confidence=path.with_name(f"{path.stem}_confidence.tif"))


def _names(before: Scene, after: Scene) -> tuple[str, str]:
    if before.name != after.name:
        return before.name, after.name
    return f"{before.name} (first)", f"{after.name} (second)"


def _named(report: Report, name: str) -> Report:
    """Make a report that says of which date a warning is."""

    def named(event: Event) -> None:
        report(Warned(f"{name}: {event.message}") if isinstance(event, Warned) else event)

    return named


def _warn_of_absent(absent: Sequence[set[str]], report: Report) -> None:
    """Warn of optional bands that only one date has: the other is seen with other eyes."""
    differing = sorted(absent[0] ^ absent[1])
    if differing:
        report(
            Warned(
                f"only one of the two dates has {listed(differing)}: the model sees less of the other, so that what it "
                f"finds changed may be that; leave these out of both (`bands=`)"
            )
        )
