"""Events that a run reports while it works, and the type of the function that takes them.

``to_json`` is the protocol of ``--progress json`` and ``--log``; docs/events.md describes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

__all__ = [
    "BatchChecked",
    "EpochEnded",
    "Event",
    "Failed",
    "Finished",
    "InferenceStarted",
    "MethodStarted",
    "ModelChosen",
    "MosaicStarted",
    "PixelsProgressed",
    "Progressed",
    "Report",
    "RivalJudged",
    "SceneEnded",
    "SceneStarted",
    "Started",
    "TrainingProgressed",
    "TrainingStarted",
    "TrialEnded",
    "Warned",
    "no_report",
    "warner",
]


Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Event:
    """Base of all events; fields that are None are absent from the JSON.

    Attributes
    ----------
    kind : name of the event in JSON, shared by events that differ in some keys only.
    severity : level of all events of the class.
    """

    kind: ClassVar[str]
    severity: ClassVar[Level] = "info"

    @property
    def level(self) -> Level:
        """Severity of this event, as logs have it."""
        return self.severity

    def to_json(self) -> dict[str, Any]:
        """Convert to values that JSON has: ``event``, ``level`` and the event's own keys."""
        return {"event": self.kind, "level": self.level, **self._own()}

    def _own(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: value for key, value in values.items() if value is not None}


Report = Callable[[Event], None]
"""Function that takes the events of a run."""


def no_report(_event: Event) -> None:
    """Drop an event."""


def warner(report: Report) -> Callable[[str], None]:
    """Make a function that reports its message as a warning."""
    return lambda message: report(Warned(message))


@dataclass(frozen=True)
class Started(Event):
    """Beginning of a run; repeated where a run starts over with smaller tiles."""

    kind: ClassVar[str] = "start"
    device: str


@dataclass(frozen=True)
class SceneStarted(Started):
    """Beginning of a run over a scene."""

    scene: str
    rows: int
    cols: int


@dataclass(frozen=True)
class InferenceStarted(SceneStarted):
    """Beginning of a network's run over a scene.

    Attributes
    ----------
    tiles : number of tiles.
    tile : rows and columns of a tile, halo included.
    blend : pixels over which neighbouring tiles are mixed.
    batch : tiles in a batch.
    absent : optional bands of the model that the scene lacks.
    matched_by_wavelength : names of the model's bands to the scene's bands that were matched by wavelength.
    resampled : whether the scene's bands are resampled to the model's wavelengths.
    """

    model: str
    tiles: int
    tile: Sequence[int]
    halo: int
    blend: int
    batch: int
    absent: Sequence[str]
    matched_by_wavelength: Mapping[str, str]
    resampled: bool


@dataclass(frozen=True)
class TrainingStarted(Started):
    """Beginning of a training.

    Attributes
    ----------
    weights : number of weights of the network; 0 where none is trained.
    patch : side of a patch in pixels.
    per_epoch : patches in an epoch.
    split : how training, validation and test are divided.
    labelled : pixels of each class, by part; None where the task has no labels.
    valid : the same of valid pixels, where the task has no labels.
    """

    weights: int
    patch: int
    per_epoch: int
    epochs: int
    split: str
    labelled: Mapping[str, Mapping[str, int]] | None = None
    valid: Mapping[str, Mapping[str, int]] | None = None


@dataclass(frozen=True)
class MosaicStarted(Started):
    """Beginning of a mosaic: number of maps, and pixels to write."""

    maps: int
    pixels: int


@dataclass(frozen=True)
class Progressed(Event):
    """Share of the work that is done, and the time left in seconds."""

    kind: ClassVar[str] = "progress"
    done: int
    total: int
    seconds_left: float


@dataclass(frozen=True)
class PixelsProgressed(Progressed):
    """Progress in pixels, with the rate in megapixels per second."""

    mpx_per_s: float


@dataclass(frozen=True)
class TrainingProgressed(Progressed):
    """Progress in batches or epochs, with the training loss and the last validation score."""

    loss: float
    score: float | None = None


@dataclass(frozen=True)
class ModelChosen(Event):
    """Bundled model that was chosen because none was named, with its first metrics."""

    kind: ClassVar[str] = "model"
    model: str
    version: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class EpochEnded(Event):
    """End of a training epoch.

    Attributes
    ----------
    epoch : number of the epoch, from 0.
    epochs : number of epochs at most.
    score : name of the score that ``val_score`` is.
    seconds_left : of the training of this network, at most, at the speed of the epochs so far.
    member, members : number of the network that is trained, from 1, and of all networks of an ensemble; None where it
        is the only one.
    """

    kind: ClassVar[str] = "epoch"
    epoch: float
    loss: float
    val_loss: float
    val_score: float
    learning_rate: float
    epochs: int
    score: str
    seconds_left: float
    member: int | None = None
    members: int | None = None


@dataclass(frozen=True)
class TrialEnded(Event):
    """End of a trial of a search of settings.

    Attributes
    ----------
    trial, trials : number of the trial, from 1, and of all that are wanted.
    state : ``finished``, ``pruned`` where others did better at its epoch, or ``failed``.
    settings : values of the settings that vary.
    val_score : best validation score of its epochs; None where no epoch has ended.
    best : number of the trial with the best score so far; None before one was finished.
    reason : of a failure.
    """

    kind: ClassVar[str] = "trial"
    trial: int
    trials: int
    state: str
    settings: Mapping[str, Any]
    epochs: int
    seconds: float
    val_score: float | None = None
    best: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class RivalJudged(Event):
    """End of the fit of a classifier that a network is compared with.

    Attributes
    ----------
    iou : its mean IoU on the validation ground.
    seconds : that it took.
    """

    kind: ClassVar[str] = "rival"
    method: str
    iou: float
    seconds: float


@dataclass(frozen=True)
class BatchChecked(Event):
    """Result of a batch's checks before its first scene.

    Attributes
    ----------
    done : scenes whose outputs are up to date.
    ready : scenes to process.
    failing : names of scenes that cannot be processed, with the reason.
    pixels : of the scenes that are ready.
    """

    kind: ClassVar[str] = "checked"
    done: int
    ready: int
    failing: Mapping[str, str]
    pixels: int


@dataclass(frozen=True)
class SceneEnded(Event):
    """End of an attempt at a scene of a batch.

    Attributes
    ----------
    name : of the scene within the batch.
    error : reason of a failure; empty after success.
    again : whether the scene is tried again.
    ended : scenes that have ended so far, this attempt included.
    scenes : scenes that were ready.
    """

    kind: ClassVar[str] = "scene"
    name: str
    error: str
    again: bool
    ended: int
    scenes: int

    @property
    def level(self) -> Level:
        """Error after a last failure, warning where another attempt follows."""
        if not self.error:
            return "info"
        return "warning" if self.again else "error"


@dataclass(frozen=True)
class MethodStarted(Event):
    """Beginning of a method's run with a seed in a comparison of methods."""

    kind: ClassVar[str] = "run"
    method: str
    seed: int


@dataclass(frozen=True)
class Warned(Event):
    """Warning for the user."""

    kind: ClassVar[str] = "warning"
    severity: ClassVar[Level] = "warning"
    message: str


@dataclass(frozen=True)
class Failed(Event):
    """Error that ends the run."""

    kind: ClassVar[str] = "error"
    severity: ClassVar[Level] = "error"
    message: str


@dataclass(frozen=True)
class Finished(Event):
    """End of a run that went well.

    Attributes
    ----------
    outputs : files made, the main one last.
    sidecars : files that belong to an output, by the output.
    failed : ``output`` and ``reason`` of each extra output that could not be made.
    seconds : duration of the run.
    results : further keys, which depend on the command: classes, metrics, scores, ...
    """

    kind: ClassVar[str] = "done"
    outputs: Sequence[str]
    sidecars: Mapping[str, Sequence[str]]
    failed: Sequence[Mapping[str, str]]
    seconds: float | None = None
    results: Mapping[str, Any] = field(default_factory=dict)

    def _own(self) -> dict[str, Any]:
        own = super()._own()
        results: Mapping[str, Any] = own.pop("results")
        return {**own, **results}
