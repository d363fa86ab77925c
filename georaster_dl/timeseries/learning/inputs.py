"""Samples of series as inputs of a network: normalised, drawn and augmented batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import Dated, SeriesKind
from georaster_dl.models.package.values import InputBand
from georaster_dl.timeseries.learning.augment import SeriesAugmentation, turn, turn_back
from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples

__all__ = ["SeriesInputs", "SeriesScaling", "pixel_means", "series_planes"]

_CHUNK = 512  # samples that a network sees at a time outside training
_PATCHES = 4  # the same of patches
_PIECE = 2**24  # values whose moments are measured at a time

_Floats = npt.NDArray[np.float64]


def pixel_means(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Average the pixels that all bands have a value of, (N, T, B) of (N, T, B, S), NaN where there is none."""
    valid = np.isfinite(values).all(axis=2, keepdims=True)
    count = valid.sum(axis=3)
    total = np.where(valid, values, 0).sum(axis=3)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


@dataclass(frozen=True, eq=False)
class SeriesScaling:
    """Mean and standard deviation of each band of each sensor over all valid values, each (B,)."""

    mean: tuple[_Floats, ...]
    std: tuple[_Floats, ...]

    @classmethod
    def of(cls, samples: SeriesSamples) -> SeriesScaling:
        """Measure the training samples.

        Raises
        ------
        OptionError
            When a sensor has no value.
        """
        moments = []
        for sensor in samples.sensors:
            n, mean = _mean(sensor)
            if n == 0:
                raise OptionError(
                    f"No training sample of {samples.name} has a clear date of {sensor.name}; check its bands, dates "
                    f"and mask."
                )
            spread = np.sqrt(_mean(sensor, about=mean)[1])
            moments.append((mean, np.where(spread > 0, spread, 1.0)))
        means, spreads = zip(*moments, strict=True)
        return cls(means, spreads)

    def input_bands(self, bands: Sequence[Band]) -> tuple[InputBand, ...]:
        """Return the bands of all sensors, in their order, with these statistics."""
        moments = zip(np.concatenate(self.mean), np.concatenate(self.std), strict=True)
        return tuple(
            InputBand.of(band, mean, std) for band, (mean, std) in zip(bands, moments, strict=True)
        )


def _mean(sensor: SensorSamples, about: _Floats | None = None) -> tuple[int, _Floats]:
    """Number of valid measurements and their mean (B,), or their mean square about something; by parts."""
    n, total = 0, np.zeros(len(sensor.bands))
    step = max(_PIECE // max(sensor.values[:1].size, 1), 1)
    for start in range(0, len(sensor.values), step):
        part = sensor.rows(np.arange(start, min(start + step, len(sensor.values))))
        rows = np.moveaxis(part.values, 2, -1)[part.valid].astype(np.float64)
        n += len(rows)
        total += (rows if about is None else (rows - about) ** 2).sum(axis=0)
    return n, total / max(n, 1)


@dataclass(frozen=True, eq=False)
class SeriesInputs:
    """Samples from which rows can be taken; they become a batch when a network sees them.

    Attributes
    ----------
    values, days : of each sensor, as in ``SensorSamples``, with days since the season's start.
    geometry : (N, 4) of parcels, None of pixels.
    scaling : of the training.
    kind : what the network reads: pixels, sets of them, or patches.
    rows : (n,) positions of the samples.
    augmentation : of training samples; None leaves them as they are.
    pixels : to draw of each parcel; None takes all.
    device : of the batches.
    """

    values: tuple[Tensor, ...] = field(repr=False)
    days: tuple[Tensor, ...] = field(repr=False)
    geometry: Tensor | None = field(repr=False)
    scaling: SeriesScaling
    kind: SeriesKind
    rows: Tensor = field(repr=False)
    augmentation: SeriesAugmentation | None = None
    pixels: int | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @classmethod
    def of(
        cls, samples: SeriesSamples, scaling: SeriesScaling, season_start: str, kind: SeriesKind
    ) -> SeriesInputs:
        """Prepare all samples, unchanged.

        A network of pixels sees the mean of a parcel's pixels, one of sets a pixel as a set of one.

        Raises
        ------
        OptionError
            When only one of network and samples is of patches.
        """
        values = [sensor.values for sensor in samples.sensors]
        if (kind == "patch") != (samples.unit == "patch"):
            read, present = (
                "patches" if patches else "pixels and parcels"
                for patches in (kind == "patch", samples.unit == "patch")
            )
            raise OptionError(
                f"The network reads {read}, but the samples of {samples.name} are {present}; choose "
                f"`architecture='utae'` for patches alone."
            )
        if kind == "pixel":
            values = [own if own.ndim == 3 else pixel_means(own) for own in values]
        elif kind == "set":
            values = [own if own.ndim == 4 else own[..., None] for own in values]
        geometry = samples.geometry
        return cls(
            tuple(torch.from_numpy(np.ascontiguousarray(own)) for own in values),
            tuple(torch.from_numpy(own) for own in samples.days(season_start)),
            None if geometry is None else torch.from_numpy(np.asarray(geometry, np.float32)),
            scaling,
            kind,
            torch.arange(len(samples)),
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Tensor) -> Self:
        return replace(self, rows=self.rows[rows.cpu()])

    def on(self, device: torch.device) -> Self:
        """Give the same samples, whose batches are on a device."""
        return replace(self, device=device)

    def in_training(self, augmentation: SeriesAugmentation, pixels: int) -> Self:
        """Give the same samples, augmented and with pixels drawn anew whenever they are seen."""
        return replace(self, augmentation=augmentation, pixels=pixels)

    def batch(self) -> tuple[list[Dated], Tensor | None]:
        """Series and geometry of the rows, as the network reads them."""
        sensors = [
            self._dated(number, values[self.rows], days[self.rows])
            for number, (values, days) in enumerate(zip(self.values, self.days, strict=True))
        ]
        if self.augmentation is not None:
            sensors = self.augmentation.apply(sensors)
        geometry = None if self.geometry is None else self.geometry[self.rows].to(self.device)
        return [_finished(series, self.device) for series in sensors], geometry

    def _dated(self, number: int, values: Tensor, days: Tensor) -> Dated:
        dated = days.isfinite()
        valid = values.isfinite().all(2) & dated.reshape(*dated.shape, *[1] * (values.ndim - 3))
        if self.pixels is not None and values.ndim == 4 and values.shape[3] > self.pixels:
            # Those that are masked at every date come last.
            order = torch.rand(valid.shape[0], valid.shape[2]) + valid.any(1)
            chosen = order.topk(self.pixels).indices[:, None]
            valid = valid.gather(2, chosen.expand(-1, valid.shape[1], -1))
            values = values.gather(3, chosen[:, :, None].expand(-1, *values.shape[1:3], -1))
        shape = (-1, *[1] * (values.ndim - 3))
        mean, std = (
            torch.from_numpy(part[number].astype(np.float32)).reshape(shape)
            for part in (self.scaling.mean, self.scaling.std)
        )
        return Dated((values - mean) / std, days.nan_to_num(), valid)


def _finished(series: Dated, device: torch.device) -> Dated:
    """The series with 0 where it is not valid, on the device."""
    values = series.values.where(series.valid.unsqueeze(2), 0)
    return Dated(values.to(device), series.days.to(device), series.valid.to(device))


def series_planes(network: nn.Module, inputs: SeriesInputs) -> Tensor:
    """Planes (n, planes) of samples, of patches (n, planes, side, side), by a network of series."""
    if network.training:
        return _planes(network, inputs)
    chunk = _PATCHES if inputs.kind == "patch" else _CHUNK
    parts: Sequence[Tensor] = torch.split(torch.arange(len(inputs)), chunk)
    return torch.cat([_planes(network, inputs[rows]) for rows in parts])


def _planes(network: nn.Module, inputs: SeriesInputs) -> Tensor:
    sensors, geometry = inputs.batch()
    if inputs.kind != "patch" or inputs.augmentation is None:
        planes: Tensor = network(sensors, geometry)
        return planes
    # Turned back, the planes lie on the labels as they are.
    turns = inputs.augmentation.turns(len(inputs))
    turned = [
        Dated(turn(values, turns), days, turn(valid, turns)) for values, days, valid in sensors
    ]
    return turn_back(network(turned, geometry), turns)
