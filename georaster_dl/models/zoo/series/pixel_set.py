"""Sets of pixels of a parcel, encoded date by date and then over time (Garnot et al. 2020).

Written from the descriptions. Sums over a set are all that its encoding needs, so a set may have any
number of pixels and come in any number of pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import Dated
from georaster_dl.models.zoo.series.attention import LTAE, TAE
from georaster_dl.models.zoo.series.layers import (
    RowNorm,
    at_dates,
    check_sensors,
    classifier,
    dense,
)
from georaster_dl.models.zoo.series.shapes import SHAPE_NAMES

__all__ = ["PixelSet", "pse_ltae", "pse_tae", "set_moments"]

_PIXEL_WIDTHS = (32, 64)
_DATE_WIDTH = 128
_BLOCK = 8192  # pixels of which all that is computed fits into a processor's cache
_LEAST_VARIANCE = 1e-12  # a root has no slope at 0


def set_moments(features: Tensor, valid: Tensor) -> Tensor:
    """Return mean and standard deviation over the valid pixels of sets.

    Parameters
    ----------
    features : (N, T, S, F) of S pixels; of masked ones anything.
    valid : (N, T, S).

    Returns
    -------
    (N, T, 2F); the deviation divides by the number of pixels less one, and is 0 of one pixel.
    """
    mask = valid[..., None]
    count = mask.sum(2)
    mean = features.where(mask, 0).sum(2) / count.clamp(min=1)
    deviations = (features - mean[:, :, None]).where(mask, 0)
    variance = deviations.square().sum(2) / (count - 1).clamp(min=1)
    return torch.cat([mean, (variance + _LEAST_VARIANCE).sqrt() * (count > 1)], 2)


def pse_tae(
    sensors: Sequence[int], outputs: int, *, geometry: bool = True, dropout: float = 0.2
) -> PixelSet:
    """Build the pixel-set encoder with temporal attention."""
    encoders = [TAE(_DATE_WIDTH, dropout=dropout) for _ in sensors]
    return PixelSet(sensors, outputs, encoders=encoders, geometry=geometry)


def pse_ltae(
    sensors: Sequence[int],
    outputs: int,
    *,
    geometry: bool = True,
    dates: int | None = None,
    dropout: float = 0.2,
) -> PixelSet:
    """Build the pixel-set encoder with lightweight temporal attention; ``dates`` as for ``LTAE``."""
    encoders = [LTAE(_DATE_WIDTH, dates=dates, dropout=dropout) for _ in sensors]
    return PixelSet(sensors, outputs, encoders=encoders, geometry=geometry)


class PixelSet(nn.Module):
    """Classifier of sets of pixels, each with the series of its dates.

    Parameters
    ----------
    sensors : number of bands of each sensor.
    outputs : classes, 1 for a quantity.
    encoders : encoder over time of each sensor, from rows of 128 channels to features.
    geometry : whether the shape of the parcel, four numbers, joins what is known of a date.

    Attributes
    ----------
    series : ``"set"``.
    stride : 1.
    dates : exact number of dates that it takes; None where any will do.
    """

    series = "set"
    stride = 1

    def __init__(
        self,
        sensors: Sequence[int],
        outputs: int,
        *,
        encoders: Sequence[TAE | LTAE],
        geometry: bool,
    ) -> None:
        super().__init__()
        self.sets = nn.ModuleList(_SetEncoder(bands, geometry) for bands in sensors)
        self.encoders = nn.ModuleList(encoders)
        self.head = classifier(sum(encoder.features for encoder in encoders), outputs)
        self.dates = getattr(encoders[0], "dates", None)
        self._geometry = geometry

    @property
    def n_features(self) -> int:
        """Number of features of a pixel."""
        return _PIXEL_WIDTHS[-1]

    def forward(self, sensors: Sequence[Dated], geometry: Tensor | None = None) -> Tensor:
        """Outputs (N, outputs) of sets with values (N, T, bands, S) and valid (N, T, S).

        Parameters
        ----------
        sensors : the series of each sensor.
        geometry : shapes of the parcels (N, 4) of ``parcel_shapes``, where the network takes them.
        """
        check_sensors(sensors, len(self.encoders))
        return self.from_moments(self._moments(sensors), geometry)

    def pixel_features(self, sensor: int, values: Tensor) -> Tensor:
        """Return the features (n, F) of single pixels of one date (n, bands), for running sums."""
        return cast("_SetEncoder", self.sets[sensor]).of_pixels(values)

    def from_moments(self, sensors: Sequence[Dated], geometry: Tensor | None = None) -> Tensor:
        """Return the outputs (N, outputs) of sets known by the moments of their pixels' features.

        Parameters
        ----------
        sensors : of each sensor, values (N, T, 2F): mean and standard deviation, divided by the number
            of pixels less one (0 of one pixel), over the valid pixels of a date; valid (N, T), False where
            there is none.
        geometry : shapes of the parcels (N, 4) of ``parcel_shapes``, where the network takes them.
        """
        features = [seen for seen, _ in self._over_time(sensors, geometry)]
        outputs: Tensor = self.head(torch.cat(features, 1))
        return outputs

    def attention(
        self, sensors: Sequence[Dated], geometry: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return the attention (N, heads, T) of each sensor's dates.

        ``sensors`` are sets of pixels, as for a call, or their moments, as for ``from_moments``.
        """
        check_sensors(sensors, len(self.encoders))
        if sensors[0].values.ndim == 4:
            sensors = self._moments(sensors)
        return tuple(shares for _, shares in self._over_time(sensors, geometry))

    def _moments(self, sensors: Sequence[Dated]) -> list[Dated]:
        moments = []
        for number, (values, days, valid) in enumerate(sensors):
            rows = self.pixel_features(number, values.movedim(2, 3)[valid])
            pooled = set_moments(at_dates(rows, valid), valid)
            moments.append(Dated(pooled, days, valid.any(2)))
        return moments

    def _over_time(
        self, sensors: Sequence[Dated], geometry: Tensor | None
    ) -> list[tuple[Tensor, Tensor]]:
        check_sensors(sensors, len(self.encoders))
        shape = self._shape(geometry)
        found = []
        for of_set, encode, moments in zip(self.sets, self.encoders, sensors, strict=True):
            found.append(encode(of_set(moments, shape), moments))
        return found

    def _shape(self, geometry: Tensor | None) -> Tensor | None:
        if not self._geometry:
            return None
        if geometry is None:
            raise OptionError(
                "The network takes the shapes of the parcels, too, but got none; give `geometry`, (N, 4), or "
                "train one without (the architecture's option geometry=False)."
            )
        return geometry


class _SetEncoder(nn.Module):
    """Encode the moments of a set, date by date, to rows (M, 128) of its M valid dates."""

    def __init__(self, bands: int, geometry: bool) -> None:
        super().__init__()
        self.pixels = nn.Sequential(*dense(bands, *_PIXEL_WIDTHS))
        inner = 2 * _PIXEL_WIDTHS[-1] + len(SHAPE_NAMES) * geometry
        self.dates = nn.Sequential(nn.Linear(inner, _DATE_WIDTH), RowNorm(_DATE_WIDTH))
        # Lengths and areas differ by orders of magnitude; without weights, as in the source.
        self.shapes = RowNorm(len(SHAPE_NAMES), affine=False) if geometry else None

    def of_pixels(self, values: Tensor) -> Tensor:
        """Features (M, 64) of pixels (M, bands); outside training by layers that are folded, a block at a time."""
        if self.training or torch.is_grad_enabled():
            return cast("Tensor", self.pixels(values))
        linear = cast("list[nn.Linear]", list(self.pixels[::3]))
        norms = cast("list[RowNorm]", list(self.pixels[1::3]))
        folded: list[nn.Module] = []
        for pair in zip(linear, norms, strict=True):
            folded += [fuse_linear_bn_eval(*pair), nn.ReLU(inplace=True)]
        layers = nn.Sequential(*folded)
        return torch.cat([layers(block) for block in torch.split(values, _BLOCK)])

    def forward(self, moments: Dated, geometry: Tensor | None) -> Tensor:
        rows = moments.values[moments.valid]
        if geometry is not None and self.shapes is not None:
            shapes = self.shapes(geometry)[:, None].expand(*moments.valid.shape, -1)
            rows = torch.cat([rows, shapes[moments.valid]], 1)
        encoded: Tensor = self.dates(rows)
        return encoded
