"""Preparation of a run: scene and model are matched and checked before torch is loaded."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from georaster_dl.core.errors import BandMismatchError, OptionError
from georaster_dl.core.geography import centre_of
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.scenes.empty_bands import without_empty_bands
from georaster_dl.io.scenes.reader import Sources, open_scene
from georaster_dl.io.scenes.scene import Scene, source_files
from georaster_dl.io.stacks.scene import StackInput, stack_of
from georaster_dl.models.package.card import Card
from georaster_dl.predict.context import RunContext
from georaster_dl.predict.engine.journal import Journal
from georaster_dl.predict.engine.strips import block_of
from georaster_dl.predict.engine.tiling_plan import TilingRequest, tile_context
from georaster_dl.predict.matching.doubts import SceneDoubts
from georaster_dl.predict.matching.scene_match import SceneMatch, check_quantities
from georaster_dl.predict.options import Findings, RunOptions, Summary
from georaster_dl.predict.run_record import identity, record_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from georaster_dl.io.vectors.aoi import AreaOfInterest

__all__ = ["AskedPixels", "PreparedRun", "open_input", "prepare"]


class AskedPixels(Protocol):
    """Pixels of a scene that are to be predicted."""

    def mask(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """Mask (rows, cols) of a window, True where a prediction is asked for."""


@dataclass(frozen=True)
class PreparedRun:
    """A checked run that can begin.

    Attributes
    ----------
    match : the scene as the model reads it.
    model : package of the model.
    files : to write, the main one last; all others may fail alone.
    aoi : area, or single pixels, to predict; None for the whole scene.
    doubts : about the scene's values, which are read when the run begins.
    tiling : from which tiles are planned, when the device is known.
    members : packages and cards of the further models of an ensemble.
    scratch : files that are needed on the way and are gone at the end.
    """

    match: SceneMatch
    model: Path
    files: tuple[Path, ...]
    aoi: AskedPixels | None
    doubts: SceneDoubts
    tiling: TilingRequest
    context: RunContext
    members: tuple[tuple[Path, Card], ...] = ()
    scratch: tuple[Path, ...] = ()

    def warn(self) -> None:
        """Report the doubts about the scene as warnings.

        Raises
        ------
        SceneError
            When the file is damaged or truncated.
        """
        for doubt in self.doubts.warnings():
            self.context.warn(doubt)

    @contextmanager
    def staged(self) -> Iterator[Staging]:
        """Stage the outputs, which appear together when the block ends well.

        Raises
        ------
        OutputError
            When one of them exists and may not be replaced, cannot be written, or is an input.
        """
        options = self.context.options
        inputs: list[Path | str] = [self.model, *(model for model, _card in self.members)]
        if options.aoi is not None:
            inputs.append(options.aoi)
        # What does not exist yet cannot be an input, and asking costs requests where a scene is remote.
        if any(file.exists() for file in self.files):
            inputs += source_files(self.match.scene)
        *extras, main = self.files
        staging = Staging(
            *([main] if options.record is None else [options.record, main]),
            extras=extras,
            scratch=self.scratch,
            overwrite=options.overwrite,
            protect=inputs,
            warn=self.context.warn,
        )
        with staging as stage, gdal_environment():
            yield stage
        if options.journal is not None:
            shutil.rmtree(options.journal, ignore_errors=True)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that the outputs depend on; see ``run_record.identity``."""
        cards = [self.match.card, *(card for _model, card in self.members)]
        return identity(self.match.scene, cards, self.context.options, self.files)

    def journal(self) -> Journal | None:
        """Open the journal of finished strips; None for a run without one."""
        folder = self.context.options.journal
        return None if folder is None else Journal(folder, self.identity)

    def finished(self, stage: Staging, device: str, findings: Findings) -> Summary:
        """Summarise the finished run, and stage its record where the options name it."""
        rows, cols = self.match.scene.shape
        record, novelty = self.context.options.record, self.doubts.novelty
        summary = Summary(
            files=self.files,
            model=self.model,
            card=self.match.card,
            pixels=rows * cols,
            seconds=time.monotonic() - self.context.begun,
            device=device,
            findings=findings,
            failed=stage.failed,
            place=centre_of(self.match.scene.geobox),
            novelty=None if novelty is None else novelty.share,
        )
        if record is not None:
            staged = [stage.path(file) for file in stage.made(self.files)]
            text = record_text(self.identity, summary, staged)
            stage.path(record).write_text(text, encoding="utf-8")
        return summary


def open_input(sources: Sources, options: SceneOptions) -> Scene:
    """Open a scene for a model, without its empty bands.

    Raises
    ------
    OptionError
        When a stack is to be read otherwise than it was opened.
    """
    scene = open_scene(sources, SceneOptions() if isinstance(sources, StackInput) else options)
    if stack_of(scene) is None:
        return without_empty_bands(scene)
    if options != SceneOptions():
        raise OptionError(
            f"{scene.name} is a stack of dated scenes, which is read as `open_stack()` was asked to; give bands, nodata, "
            f"scale, offset and mask there."
        )
    return scene  # a date may well be masked everywhere


def prepare(
    scene: Scene,
    match: SceneMatch,
    model: Path,
    files: Sequence[Path],
    context: RunContext,
    *,
    named: bool = True,
    members: Sequence[tuple[Path, Card]] = (),
) -> PreparedRun:
    """Check a matched scene's place, and the options that depend on the model.

    Its values are checked where nobody has chosen the model; else they only give warnings, when the run begins.

    Parameters
    ----------
    scene : as ``open_input`` gives it.
    match : the same as the model reads it.
    files : to write, the main one last.
    named : whether the user chose the model.
    members : packages and cards of the further models of an ensemble.

    Raises
    ------
    GeoRasterError
        When the halo is impossible with the model, the area of interest cannot be used, or backscatter or heights
        are another quantity than the model's. Where the
        user named no model, also for reflectances that look a tenth too high or too low.
    """
    options, card = context.options, match.card
    _check_identifiable(scene, options)
    aoi = _area_of_interest(context, match.scene)
    check_quantities(match)
    doubts = SceneDoubts(scene, match, aoi)
    if not named and doubts.calibration is not None:
        raise BandMismatchError(
            f"{doubts.calibration} If they are right as they are, name the model: `model='{card.name}'`."
        )
    halo = tile_context(card, options.halo)
    tiling = TilingRequest(match.scene.shape, card, halo, options.tile, block_of(match.scene))
    return PreparedRun(match, model, tuple(files), aoi, doubts, tiling, context, tuple(members))


def _check_identifiable(scene: Scene, options: RunOptions) -> None:
    """Refuse records and journals of a scene in memory, which cannot be identified."""
    for name in ("record", "journal"):
        in_memory = scene.memory is not None and not scene.memory.files
        if in_memory and getattr(options, name) is not None:
            raise OptionError(
                f"`{name}=` tells by the scene's files whether they are the same again, but {scene.name} has "
                f"none; leave it out, or give the path of a file."
            )


def _area_of_interest(context: RunContext, scene: Scene) -> AreaOfInterest | None:
    """Read the area of interest; None where the options name none."""
    if context.options.aoi is None:
        return None
    from georaster_dl.io.vectors.aoi import AreaOfInterest  # GeoPandas takes a while to load

    return AreaOfInterest(context.options.aoi, scene.geobox)
