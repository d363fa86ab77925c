"""Jobs of a batch and their outcomes, which are sent between processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from georaster_dl.core.errors import GeoRasterError
from georaster_dl.core.events import Event, InferenceStarted, Report, Warned, no_report
from georaster_dl.io.stacks.scene import StackInput
from georaster_dl.predict.features import FeatureRun
from georaster_dl.predict.options import (
    FeatureOptions,
    FeatureOutputs,
    Outputs,
    SegmentOptions,
    Summary,
)
from georaster_dl.predict.run import SceneRun
from georaster_dl.predict.run_record import read_record
from georaster_dl.predict.segment import SegmentRun

__all__ = ["Outcome", "SceneJob", "attempt", "attempt_part", "reason_of"]


@dataclass(frozen=True)
class SceneJob:
    """One scene, one model, and the files to make.

    Attributes
    ----------
    name : of the scene within the batch.
    sources : path or address of the scene, or several single files of it; or a stack of dated scenes.
    model : package; None takes the bundled one of Sentinel-2 where it fits. Absolute, as workers may
        have another working folder. So are the outputs.
    outputs : of ``segment``, or of ``features``.
    options : for the same, with ``record`` and ``journal``.
    """

    name: str
    sources: tuple[str, ...] | StackInput
    model: Path | None
    outputs: Outputs | FeatureOutputs
    options: SegmentOptions | FeatureOptions

    @property
    def scene_files(self) -> tuple[str, ...]:
        """Paths of the scene for reports; of a stack its name."""
        return (self.sources.name,) if isinstance(self.sources, StackInput) else self.sources

    @property
    def raster(self) -> Path:
        """The map, or the features."""
        return self.outputs.all()[-1]

    @property
    def record(self) -> Path:
        """JSON file that records the finished run."""
        record = self.options.record
        if record is None:
            raise ValueError(f"The job {self.name} keeps no record.")
        return record

    def run(self, report: Report = no_report) -> SceneRun:
        """Prepare the run: open the scene and check it against the model.

        Raises
        ------
        GeoRasterError
            Whatever is wrong with them.
        """
        if isinstance(self.outputs, FeatureOutputs):
            options = self.options
            if not isinstance(options, FeatureOptions) or self.model is None:
                raise TypeError(
                    f"{self.name} makes features, but has options of a map, or no model."
                )
            return FeatureRun(self.sources, self.model, self.outputs, options, report)
        if not isinstance(self.options, SegmentOptions):
            raise TypeError(f"{self.name} makes a map, but has options of features.")
        return SegmentRun(self.sources, self.model, self.outputs, self.options, report)


@dataclass(frozen=True)
class Outcome:
    """Outcome of an attempt at a job.

    Attributes
    ----------
    name : of the job.
    error : one line; empty where it went well.
    warnings : of the run.
    record : what stands in the job's record, where it went well and keeps one.
    summary : what was done, where all of it went well.
    """

    name: str
    error: str = ""
    warnings: tuple[str, ...] = ()
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    summary: Summary | None = field(default=None, repr=False)


def reason_of(error: BaseException) -> str:
    """Format an error as the reason of a scene's failure, one line."""
    if isinstance(error, GeoRasterError):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split())


def attempt(job: SceneJob, report: Report = no_report) -> Outcome:
    """Do a job; an error becomes part of the outcome."""
    return _attempted(job, SceneRun.whole, report)


def attempt_part(job: SceneJob, number: int, of: int, report: Report = no_report) -> Outcome:
    """Add part ``number`` of ``of`` of a job to its journal; as ``attempt``, without a record."""
    return _attempted(job, lambda run: run.part(number, of), report)


def _attempted(job: SceneJob, do: Callable[[SceneRun], Summary | None], report: Report) -> Outcome:
    warnings: list[str] = []

    def note_warnings(event: Event) -> None:
        if isinstance(event, Warned):
            warnings.append(event.message)
        elif isinstance(event, InferenceStarted) and event.matched_by_wavelength:
            taken = ", ".join(
                f"{band} for {name}" for name, band in event.matched_by_wavelength.items()
            )
            warnings.append(f"bands taken by their wavelengths: {taken}")
        report(event)

    try:
        summary = do(job.run(note_warnings))
    except Exception as error:  # noqa: BLE001 - one scene must not end the batch
        return Outcome(job.name, reason_of(error), tuple(warnings))
    kept = job.options.record
    record = None if summary is None or kept is None else read_record(kept)
    return Outcome(job.name, "", tuple(warnings), record or {}, summary)
