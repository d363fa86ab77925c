"""Networks of time series bound to the dates of a stack: networks of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from georaster_dl.models.contract import Dated, SeriesNetwork, network_stride
from georaster_dl.models.zoo.series.layers import check_dates

__all__ = ["DatedNetwork"]

_PIXELS = 8192  # whose series are computed at once, so that memory does not grow with the tile


class DatedNetwork(nn.Module):
    """Network of images (N, planes, rows, cols) made of a network of series and the dates of a stack.

    Parameters
    ----------
    network : of single pixels or patches.
    sensors : number of bands of each sensor.
    days : of the dates of each sensor, since the season's start.

    Attributes
    ----------
    stride : total down-sampling in pixels.

    Raises
    ------
    OptionError
        When the network takes exactly so many dates, and there are more or fewer.
    """

    def __init__(
        self, network: nn.Module, sensors: Sequence[int], days: Sequence[Sequence[float]]
    ) -> None:
        super().__init__()
        exactly = getattr(network, "dates", None)
        for of_sensor in days:
            check_dates(len(of_sensor), exactly)
        self.network = network
        self.stride = network_stride(network)
        self._sensors = list(sensors)
        for i, of_sensor in enumerate(days):
            self.register_buffer(f"days_{i}", torch.tensor(of_sensor, dtype=torch.float32))

    def forward(self, image: Tensor) -> Tensor:
        """Map planes (N, dates x bands, rows, cols), sensor by sensor and NaN where masked, to (N, outputs, rows, cols)."""
        if cast("SeriesNetwork", self.network).series == "patch":
            return self._of_patches(image)
        n, _, rows, cols = image.shape
        series = image.permute(0, 2, 3, 1).reshape(n * rows * cols, -1)
        parts = [self._of_pixels(part) for part in torch.split(series, _PIXELS)]
        outputs = torch.cat(parts) if len(parts) > 1 else parts[0]
        return outputs.view(n, rows, cols, -1).permute(0, 3, 1, 2)

    def _of_pixels(self, series: Tensor) -> Tensor:
        """Outputs (n, outputs) of the series (n, planes) of pixels; dates that none of them has are left out."""
        sensors = self._split(series)
        if getattr(self.network, "dates", None) is None:
            sensors = [_without_gaps(dated) for dated in sensors]
        return cast("Tensor", self.network(sensors))

    def _of_patches(self, image: Tensor) -> Tensor:
        sensors = []
        for values, days in self._planes(image):
            series = values.reshape(len(values), len(days), -1, *values.shape[2:])
            valid = series.isfinite().all(dim=2)
            series = series.nan_to_num(0.0, 0.0, 0.0).masked_fill(~valid[:, :, None], 0.0)
            sensors.append(Dated(series, days.expand(len(image), -1), valid))
        return cast("Tensor", self.network(sensors))

    def _split(self, series: Tensor) -> list[Dated]:
        sensors = []
        for values, days in self._planes(series):
            dated = values.reshape(len(values), len(days), -1)
            valid = dated.isfinite().all(dim=2)
            dated = dated.masked_fill(~valid[:, :, None], 0.0)
            sensors.append(Dated(dated, days.expand(len(series), -1), valid))
        return sensors

    def _planes(self, values: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Planes (N, dates x bands, ...) and days (T,) of each sensor."""
        days = [cast("Tensor", getattr(self, f"days_{i}")) for i in range(len(self._sensors))]
        sizes = [len(own) * bands for own, bands in zip(days, self._sensors, strict=True)]
        return list(zip(torch.split(values, sizes, dim=1), days, strict=True))


def _without_gaps(dated: Dated) -> Dated:
    """Leave out the dates that no sample has, which change nothing and cost as much as others."""
    some = dated.valid.any(dim=0)
    if bool(some.all()) or not bool(some.any()):
        return dated
    days = dated.days[:1, some].expand(len(dated.days), -1)
    return Dated(dated.values[:, some], days, dated.valid[:, some])
