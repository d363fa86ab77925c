"""Networks of time series bound to the dates of a stack: networks of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.models.contract import Dated, SeriesNetwork, network_stride
from georaster_dl.models.zoo.series.layers import check_dates

__all__ = ["DatedNetwork", "patch_step"]

_PIXELS = 8192  # whose series are computed at once, so that memory does not grow with the tile


def patch_step(side: int, stride: int) -> int:
    """Distance in pixels of the patches that an image is computed in: about three quarters of their side.

    Parameters
    ----------
    side : of a patch in pixels, 2 strides or more.
    stride : total down-sampling of the network, of which the distance is a multiple.
    """
    return side * 3 // 4 // stride * stride


class DatedNetwork(nn.Module):
    """Network of images (N, planes, rows, cols) made of a network of series and the dates of a stack.

    Patches are computed as large as in training, overlapping, and their outputs are blended. A network of patches depends
    on all of a patch, by normalisation over it; so any tiles that start at multiples of ``stride`` and have a halo of
    one stride give the same outputs.

    Parameters
    ----------
    network : of single pixels or patches.
    sensors : number of bands of each sensor.
    days : of the dates of each sensor, since the season's start.
    side : rows and cols of a patch in pixels; None computes the whole image as one, and single pixels.

    Attributes
    ----------
    stride : distance of the patches in pixels, or total down-sampling where there are none.

    Raises
    ------
    OptionError
        When the network takes exactly so many dates, and there are more or fewer.
    """

    def __init__(
        self,
        network: nn.Module,
        sensors: Sequence[int],
        days: Sequence[Sequence[float]],
        side: int | None = None,
    ) -> None:
        super().__init__()
        exactly = getattr(network, "dates", None)
        for of_sensor in days:
            check_dates(len(of_sensor), exactly)
        self.network = network
        stride = network_stride(network)
        self.stride = stride if side is None else patch_step(side, stride)
        self._side = side
        self._sensors = list(sensors)
        for i, of_sensor in enumerate(days):
            self.register_buffer(f"days_{i}", torch.tensor(of_sensor, dtype=torch.float32))

    def forward(self, image: Tensor) -> Tensor:
        """Map planes (N, dates x bands, rows, cols), sensor by sensor and NaN where masked, to (N, outputs, rows, cols)."""
        if cast("SeriesNetwork", self.network).series == "patch":
            return self._of_patch(image) if self._side is None else self._blended(image, self._side)
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

    def _blended(self, image: Tensor, side: int) -> Tensor:
        """Outputs of patches that overlap, weighted by their distance from the patch's edge."""
        rows, cols = image.shape[2:]
        beyond = side - self.stride
        padded = functional.pad(image, (0, beyond, 0, beyond), value=torch.nan)
        weight = _weights(side, beyond).to(image.device)
        total: Tensor | None = None
        sum_of_weights = weight.new_zeros(padded.shape[2:])
        for top in range(0, rows, self.stride):
            for left in range(0, cols, self.stride):
                here = ..., slice(top, top + side), slice(left, left + side)
                outputs = self._of_patch(padded[here])
                if total is None:
                    total = outputs.new_zeros(*outputs.shape[:2], *padded.shape[2:])
                total[here] += weight * outputs
                sum_of_weights[here] += weight
        assert total is not None  # an image has a pixel
        return (total / sum_of_weights)[..., :rows, :cols]

    def _of_patch(self, image: Tensor) -> Tensor:
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


def _weights(side: int, overlap: int) -> Tensor:
    """Weights (side, side) of a patch's pixels, which rise and fall where it overlaps its neighbours."""
    rising = (torch.arange(overlap) + 0.5) / overlap
    along = torch.cat([rising, torch.ones(side - 2 * overlap), rising.flip(0)])
    return along[:, None] * along


def _without_gaps(dated: Dated) -> Dated:
    """Leave out the dates that no sample has, which change nothing and cost as much as others."""
    some = dated.valid.any(dim=0)
    if bool(some.all()) or not bool(some.any()):
        return dated
    days = dated.days[:1, some].expand(len(dated.days), -1)
    return Dated(dated.values[:, some], days, dated.valid[:, some])
