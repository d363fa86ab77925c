"""Settings of a training on series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import series_kind, series_models
from georaster_dl.timeseries.learning.augment import SeriesAugmentation

__all__ = ["SeriesTrainOptions", "SplitOptions"]

_STEPS = 10_000
_FEWEST_EPOCHS, _MOST_EPOCHS = 10, 100
_SAMPLES, _PATCHES = 32, 4  # of a step


@dataclass(frozen=True)
class SplitOptions:
    """Split of samples; by chance, with the shares of the classes, where nothing is named; of patches by strips.

    Attributes
    ----------
    column : of ``train``, ``validation`` and ``test``.
    leave_out : ``COLUMN=VALUE`` tests on the samples of that value (``region=Khorezm``); ``COLUMN`` alone on
        those of each value in turn. ``year`` is the year of the season where there is no such column.
    group : column of samples that stay in one part; None takes the one that the samples name
        (``SeriesSamples.together``).
    folds : folds of a cross-validation; None tests once, on a fifth.
    """

    column: str | None = None
    leave_out: str | None = None
    group: str | None = None
    folds: int | None = None

    def __post_init__(self) -> None:
        """Check that one kind of split is named."""
        if self.column is not None and (self.leave_out is not None or self.folds is not None):
            raise OptionError(
                "Give either `split_column=`, or `leave_out=` or `folds=`; a column of train and test is a split already."
            )
        if self.leave_out is not None and self.folds is not None:
            raise OptionError(
                "Give either `leave_out=` or `folds=`; a column named alone (`leave_out='region'`) leaves each value out in turn."
            )
        if self.folds is not None and self.folds < 2:
            raise OptionError(f"`folds={self.folds}` must be 2 or more.")


@dataclass(frozen=True)
class SeriesTrainOptions:
    """Settings of a training on series.

    Attributes
    ----------
    architecture, options : network by the registry's names (``series_models``), and its options; those that
        say which days it sees are taken from the samples where they are not given.
    encoder_weights : file of pretrained weights, for a network that has some (``presto``).
    split : which samples teach, choose the epoch and test.
    until : last day of the season that is seen, ``MM-DD``, or the last date, ``YYYY-MM-DD``.
    season_start : month and day from which days are counted, ``MM-DD``; found where None.
    early : cut series off at random in training, so that the model can be used before the season's end.
    augment : whether training series are augmented, or the strengths of ``SeriesAugmentation`` by name.
    loss, class_weights : of classes; values have the mean square error.
    epochs, batch, learning_rate, weight_decay : as in ``loop.Recipe``; where ``epochs`` is None, as many as make
        10,000 steps, but 10 to 100; where ``batch`` is, 32 samples, or 4 patches.
    pixels : drawn anew from each parcel in every epoch, where a sample has more.
    device : ``auto``, ``cpu`` or ``cuda:N``.
    licence : of the weights.
    seed : of all random numbers.
    """

    architecture: str = "tempcnn"
    options: Mapping[str, Any] = field(default_factory=dict)
    encoder_weights: str | None = None
    split: SplitOptions = SplitOptions()
    until: str | None = None
    season_start: str | None = None
    early: bool = False
    augment: bool | Mapping[str, float] = True
    loss: Literal["cross-entropy", "focal", "gce"] = "cross-entropy"
    class_weights: bool = False
    epochs: int | None = None
    batch: int | None = None
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    pixels: int = 64
    device: str = "auto"
    licence: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        """Check names and counts.

        Raises
        ------
        OptionError
            When the network reads no samples of series, or a number cannot work.
        """
        name = self.architecture.replace("-", "_")
        if series_kind(name) is None:
            raise OptionError(
                f"The network {self.architecture} reads single images; samples of series can be learnt by "
                f"{', '.join(series_models())}."
            )
        object.__setattr__(self, "architecture", name)
        for setting in ("epochs", "batch", "pixels"):
            if (number := getattr(self, setting)) is not None and number < 1:
                raise OptionError(f"`{setting}={number}` must be 1 or more; give a larger number.")
        for setting in ("learning_rate", "weight_decay"):
            if not getattr(self, setting) >= 0:
                raise OptionError(f"`{setting}={getattr(self, setting)}` must not be negative.")
        SeriesAugmentation.of(self.augment, early=self.early)

    @property
    def step(self) -> int:
        """Number of samples in a training step."""
        patches = series_kind(self.architecture) == "patch"
        return self.batch or (_PATCHES if patches else _SAMPLES)

    def epochs_of(self, n: int) -> int:
        """Number of epochs for ``n`` training samples."""
        if self.epochs is not None:
            return self.epochs
        steps = -(-n // self.step)
        return min(max(-(-_STEPS // steps), _FEWEST_EPOCHS), _MOST_EPOCHS)
