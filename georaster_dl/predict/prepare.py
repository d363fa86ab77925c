"""A scene and a model that go together: what every run checks before torch is loaded."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from georaster_dl.core.errors import BandMismatchError
from georaster_dl.core.events import Report, Warned, warner
from georaster_dl.core.geography import centre_of
from georaster_dl.core.process import tune_allocators
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.scenes.calibration_check import (
    alpha_warning,
    calibration_warning,
    training_warning,
)
from georaster_dl.io.scenes.empty_bands import without_empty_bands
from georaster_dl.io.scenes.scene import Scene, source_files
from georaster_dl.io.vectors.aoi import AreaOfInterest
from georaster_dl.models.package.card import Card
from georaster_dl.predict.engine.journal import Journal
from georaster_dl.predict.matching.scene_match import SceneMatch, match_scene, resolution_warning
from georaster_dl.predict.options import Findings, RunOptions, Summary
from georaster_dl.predict.run_record import identity, record_text

__all__ = ["PreparedRun", "prepare"]


@dataclass(frozen=True)
class PreparedRun:
    """A run that can begin.

    Attributes
    ----------
    match : the scene as the model reads it.
    model : its package.
    aoi : where a prediction is asked for; None for everywhere.
    begun : when the run was asked for, by ``time.monotonic``.
    """

    match: SceneMatch
    model: Path
    aoi: AreaOfInterest | None
    options: RunOptions
    report: Report
    begun: float

    @contextmanager
    def staged(self, files: Sequence[Path]) -> Iterator[Staging]:
        """Room for the outputs, which appear together when the block ends well.

        Parameters
        ----------
        files : to make; all but the last may fail alone.

        Raises
        ------
        OutputError
            When one of them exists and may not be replaced, cannot be written, or is an input.
        """
        inputs: list[Path | str] = [self.model]
        if self.options.aoi is not None:
            inputs.append(self.options.aoi)
        # What does not exist yet cannot be an input, and asking costs requests where a scene is remote.
        if any(file.exists() for file in files):
            inputs += source_files(self.match.scene)
        record = self.options.record
        *extras, main = files
        staging = Staging(
            *([main] if record is None else [record, main]),
            extras=extras,
            overwrite=self.options.overwrite,
            protect=inputs,
            warn=warner(self.report),
        )
        with staging as stage, self.computing():
            yield stage
        if self.options.journal is not None:
            shutil.rmtree(self.options.journal, ignore_errors=True)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """What a run needs of this process."""
        with gdal_environment():
            # Loading torch takes seconds; what can be wrong without it has been checked by now.
            tune_allocators()
            yield

    def identity(self, files: Sequence[Path]) -> dict[str, Any]:
        """All that these outputs depend on."""
        return identity(self.match.scene, self.match.card, self.options, files)

    def journal(self, files: Sequence[Path]) -> Journal | None:
        """Finished strips of this very run, where it keeps any."""
        folder = self.options.journal
        return None if folder is None else Journal(folder, self.identity(files))

    def finished(
        self, stage: Staging, files: Sequence[Path], device: str, findings: Findings
    ) -> Summary:
        """What was done, now that it is; recorded where that is asked for."""
        rows, cols = self.match.scene.shape
        seconds = time.monotonic() - self.begun
        summary = Summary(
            tuple(files),
            self.model,
            self.match.card,
            rows * cols,
            seconds,
            device,
            findings,
            stage.failed,
            centre_of(self.match.scene.geobox),
        )
        if self.options.record is not None:
            staged = [stage.path(file) for file in stage.made(files)]
            text = record_text(self.identity(files), summary, staged)
            stage.path(self.options.record).write_text(text, encoding="utf-8")
        return summary


def prepare(
    opened: Scene,
    model: Path,
    card: Card,
    options: RunOptions,
    report: Report,
    *,
    begun: float,
    named: bool = True,
) -> PreparedRun:
    """Check that a scene fits a model.

    Parameters
    ----------
    opened : the scene as it came.
    model, card : the package and what its header says.
    named : whether the user chose the model.

    Raises
    ------
    GeoRasterError
        When bands, unit or resolution do not fit, or the area of interest cannot be used. Where the
        user named no model, also for reflectances that look a tenth too high or too low.
    """
    opened = without_empty_bands(opened)
    try:
        match = match_scene(opened, card, resample=options.resample)
    except BandMismatchError as error:
        raise BandMismatchError(" ".join([str(error), *opened.remarks])) from error
    for doubt in (*opened.remarks, alpha_warning(opened)):
        if doubt is not None:
            report(Warned(doubt))
    _check_calibration(opened, card, named, report)
    _check_values(match, report)
    aoi = None if options.aoi is None else AreaOfInterest(options.aoi, match.scene.geobox)
    unknown = resolution_warning(match.scene, card)
    if unknown is not None:
        report(Warned(unknown))
    return PreparedRun(match, model, aoi, options, report, begun)


def _check_values(match: SceneMatch, report: Report) -> None:
    """Warn of values of another size than in training; of reflectances more is known than that."""
    card = match.card
    if card.quantity == "reflectance" or card.treatment is not None or match.resampling is not None:
        return
    means, deviations = [b.mean for b in card.bands], [b.std for b in card.bands]
    warning = training_warning(match.scene, means, deviations)
    if warning is not None:
        report(Warned(warning))


def _check_calibration(scene: Scene, card: Card, named: bool, report: Report) -> None:
    """Warn of reflectances that cannot be right; who names no model is not let go on with them."""
    # The scene as it came: bands that the model does not read tell of its calibration too.
    warning = calibration_warning(scene) if card.quantity == "reflectance" else None
    if warning is not None and not named:
        raise BandMismatchError(
            f"{warning} If they are right as they are, name the model: -m {card.name}."
        )
    if warning is not None:
        report(Warned(warning))
