"""Networks of series over whole parcels: all pixels by running sums, then one prediction each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import Dated
from georaster_dl.models.package.card import Card
from georaster_dl.models.runtime.probabilities import class_probabilities
from georaster_dl.timeseries.parcels.moments import ParcelSums

__all__ = ["ParcelNetwork", "Predicted"]

_CHUNK = 2**15  # pixels whose features are computed at once
_BATCH = 512  # parcels

_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of parcels.

    Attributes
    ----------
    outputs : (n, classes) probabilities, or (n, targets) values.
    valid : of each sensor, (n, T): dates with at least one clear pixel.
    attention : of each sensor, (n, T), mean over the heads; None where the network has none.
    """

    outputs: _Floats
    valid: tuple[npt.NDArray[np.bool_], ...]
    attention: tuple[_Floats, ...] | None


class ParcelNetwork:
    """A network that classifies parcels whose pixels come in pieces.

    Of a network of sets, the moments of the features of all pixels are kept; of a network of pixels, the mean
    series of the parcel.

    Parameters
    ----------
    card, network : of a model of series of pixels or sets, in eval mode.
    days : (T,) of each sensor since the season's start.
    device : where the network is.

    Raises
    ------
    OptionError
        When the network reads patches.
    """

    def __init__(
        self, card: Card, network: nn.Module, days: Sequence[Sequence[float]], device: torch.device
    ) -> None:
        self._kind = str(getattr(network, "series", ""))
        if self._kind not in ("pixel", "set") or card.series is None:
            raise OptionError(
                f"{card.name} reads patches of images, and no parcels; map the pixels with it, or use a model of pixels or "
                f"parcels."
            )
        self._card, self._network, self._device = card, network.to(device), device
        self._days = [torch.tensor(list(own), dtype=torch.float32) for own in days]
        mean = torch.tensor([band.mean for band in card.bands], dtype=torch.float32)
        std = torch.tensor([band.std for band in card.bands], dtype=torch.float32)
        sizes = [sensor.bands for sensor in card.series.sensors]
        self._scaling = list(zip(torch.split(mean, sizes), torch.split(std, sizes), strict=True))
        sets = self._kind == "set"
        features = [int(network.n_features)] * len(sizes) if sets else sizes  # type: ignore[arg-type]
        self._sums = [
            ParcelSums(len(own), n, squares=sets)
            for own, n in zip(self._days, features, strict=True)
        ]

    @property
    def open(self) -> int:
        """Number of parcels whose sums are in memory."""
        return self._sums[0].open

    @torch.inference_mode()
    def add(self, parcels: npt.NDArray[np.int64], series: Sequence[_Floats]) -> None:
        """Add pixels (n,) of parcels, with their values (T, B, n) of each sensor, NaN where not clear."""
        for number, (sums, values) in enumerate(zip(self._sums, series, strict=True)):
            slots = sums.slots(parcels)
            for date in range(len(values)):
                for start in range(0, len(parcels), _CHUNK):
                    part = torch.from_numpy(
                        np.ascontiguousarray(values[date, :, start : start + _CHUNK].T)
                    )
                    valid = part.isfinite().all(dim=1)
                    if valid.any():
                        features = self._features(number, part[valid])
                        sums.add(date, slots[start : start + _CHUNK][valid], features)

    @torch.inference_mode()
    def finish(self, parcels: Sequence[int], shapes: _Floats) -> Predicted:
        """Predict parcels whose pixels have all been added, and forget them.

        Parameters
        ----------
        shapes : (n, 4) of the parcels, see ``parcel_shapes``.
        """
        found = [
            self._predict(parcels[start : start + _BATCH], shapes[start : start + _BATCH])
            for start in range(0, len(parcels), _BATCH)
        ]
        sensors = range(len(self._days))
        seen = [one.attention for one in found if one.attention is not None]
        return Predicted(
            np.concatenate([one.outputs for one in found]),
            tuple(np.concatenate([one.valid[i] for one in found]) for i in sensors),
            tuple(np.concatenate([one[i] for one in seen]) for i in sensors) if seen else None,
        )

    def _features(self, number: int, values: Tensor) -> Tensor:
        mean, std = self._scaling[number]
        scaled = ((values - mean) / std).to(self._device)
        if self._kind == "pixel":
            return scaled.cpu()
        features: Tensor = self._network.pixel_features(number, scaled)  # type: ignore[operator]
        return features.float().cpu()

    def _predict(self, parcels: Sequence[int], shapes: _Floats) -> Predicted:
        device, sensors = self._device, []
        for sums, days in zip(self._sums, self._days, strict=True):
            values, valid = sums.finish(parcels)
            every = days.to(device).expand(len(parcels), -1)
            sensors.append(Dated(values.to(device), every, valid.to(device)))
        geometry = torch.from_numpy(shapes).to(device)
        run = self._network.from_moments if self._kind == "set" else self._network
        outputs = run(sensors, geometry).float().cpu()  # type: ignore[operator]
        return Predicted(
            self._activated(outputs).numpy(),
            tuple(series.valid.cpu().numpy() for series in sensors),
            self._attention(sensors, geometry),
        )

    def _activated(self, outputs: Tensor) -> Tensor:
        if self._card.targets:
            mean = torch.tensor([target.mean for target in self._card.targets])
            std = torch.tensor([target.std for target in self._card.targets])
            return outputs * std + mean
        planes = class_probabilities(outputs[..., None, None], self._card.calibration)
        return planes[..., 0, 0]

    def _attention(self, sensors: Sequence[Dated], geometry: Tensor) -> tuple[_Floats, ...] | None:
        attend = getattr(self._network, "attention", None)
        if attend is None:
            return None
        return tuple(
            shares.mean(dim=1).float().cpu().numpy() for shares in attend(sensors, geometry)
        )
