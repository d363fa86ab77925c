"""Settings of a training on sequences."""

from __future__ import annotations

from dataclasses import dataclass, fields

from georaster_dl.core.errors import OptionError

__all__ = ["SegmentOptions", "SequenceTraining"]


@dataclass(frozen=True)
class SequenceTraining:
    """How a network of rotating LiDARs is trained.

    Attributes
    ----------
    slices : of a turn, 1 to 36.
    r_max, z_low, z_high : ends of the grid of voxels in metres, in the sensor's frame.
    voxel_r, voxel_azimuth, voxel_z : size of a fine voxel in metres, degrees and metres. The coarse ones, which attend
        to each other, are 9 x 6 x 4 of them.
    epochs : at most.
    minutes : after which the training ends, at most; None for no limit.
    batch_size : slices of a step.
    learning_rate, weight_decay : of AdamW.
    patience : epochs without a better validation after which it ends.
    device : ``auto``, ``cpu`` or ``cuda:N``.
    seed : of all random choices.
    resume : go on with an interrupted training.
    overwrite : replace the model where it exists.

    Raises
    ------
    OptionError
        When a number is outside its range.
    """

    slices: int = 5
    r_max: float = 54.0
    z_low: float = -4.5
    z_high: float = 1.5
    voxel_r: float = 0.2
    voxel_azimuth: float = 4 / 3
    voxel_z: float = 1 / 6
    epochs: int = 100
    minutes: float | None = None
    batch_size: int = 2
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    patience: int = 8
    device: str = "auto"
    seed: int = 0
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, low, high in (
            ("slices", 1, 36),
            ("epochs", 1, 100_000),
            ("batch_size", 1, 64),
            ("learning_rate", 1e-7, 1.0),
            ("weight_decay", 0, 1.0),
            ("patience", 1, 100_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(f"`{name}={value}` is outside {low} to {high}; correct it.")
        if self.minutes is not None and self.minutes <= 0:
            raise OptionError(f"`minutes={self.minutes}` must be above 0; correct it.")

    @property
    def network_options(self) -> dict[str, float]:
        """Options of the network that it states."""
        own = ("r_max", "z_low", "z_high", "voxel_r", "voxel_azimuth", "voxel_z")
        return {
            field.name: getattr(self, field.name) for field in fields(self) if field.name in own
        }


@dataclass(frozen=True)
class SegmentOptions:
    """How a sequence is segmented.

    Attributes
    ----------
    slices : of a turn; None takes those of the training, 1 waits for whole turns.
    device : ``auto``, ``cpu`` or ``cuda:N``.
    overwrite : replace labels where they exist.

    Raises
    ------
    OptionError
        When the number of slices is outside 1 to 36.
    """

    slices: int | None = None
    device: str = "auto"
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check the number of slices."""
        if self.slices is not None and not 1 <= self.slices <= 36:
            raise OptionError(f"`slices={self.slices}` is outside 1 to 36; correct it.")
