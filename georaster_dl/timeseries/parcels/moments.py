"""Running sums of the pixels of parcels, date by date."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["ParcelSums"]

_LEAST_VARIANCE = 1e-12  # as in training
_MORE = 256  # parcels that room is made for at least


class ParcelSums:
    """Sums over the valid pixels of parcels, of one sensor, in double precision.

    Only parcels between their first and last pixel take memory: ``finish`` gives their room back.

    Parameters
    ----------
    dates, features : T and F of each parcel.
    squares : whether deviations are asked for.
    """

    def __init__(self, dates: int, features: int, *, squares: bool) -> None:
        kinds = 2 if squares else 1
        self._sums = torch.zeros(dates, 0, kinds, features, dtype=torch.float64)
        self._counts = torch.zeros(dates, 0, dtype=torch.int64)
        self._free: list[int] = []
        self._slots: dict[int, int] = {}

    @property
    def open(self) -> int:
        """Number of parcels that take memory."""
        return len(self._slots)

    def slots(self, parcels: npt.NDArray[np.int64]) -> Tensor:
        """Places (n,) of the sums of parcels (n,), made where there are none."""
        known, inverse = np.unique(parcels, return_inverse=True)
        places = [self._slot(parcel) for parcel in known.tolist()]
        return torch.tensor(places, dtype=torch.int64)[torch.from_numpy(inverse)]

    def add(self, date: int, slots: Tensor, features: Tensor) -> None:
        """Add the features (n, F) of valid pixels of a date to the sums at their slots (n,)."""
        self._counts[date].index_add_(0, slots, torch.ones_like(slots))
        doubles = features.double()
        self._sums[date, :, 0].index_add_(0, slots, doubles)
        if self._sums.shape[2] > 1:
            self._sums[date, :, 1].index_add_(0, slots, doubles.square_())

    def finish(self, parcels: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Give means, or means and deviations, and which dates have any pixel; and forget the parcels.

        Returns
        -------
        (n, T, F) or (n, T, 2F) float32, 0 of a date without pixels; and (n, T) bool. The deviation divides by the
        number of pixels less one, and is 0 of one pixel.
        """
        slots = torch.tensor([self._slot(parcel) for parcel in parcels], dtype=torch.int64)
        counts = self._counts[:, slots].T
        sums = self._sums[:, slots].transpose(0, 1)
        mean = sums[:, :, 0] / counts.clamp(min=1)[..., None]
        found = [mean]
        if sums.shape[2] > 1:
            squares = sums[:, :, 1] - counts[..., None] * mean.square()
            variance = squares.clamp(min=0) / (counts - 1).clamp(min=1)[..., None]
            found.append((variance + _LEAST_VARIANCE).sqrt() * (counts > 1)[..., None])
        self._forget(parcels, slots)
        return torch.cat(found, dim=2).float(), counts > 0

    def _slot(self, parcel: int) -> int:
        slot = self._slots.get(parcel)
        if slot is None:
            if not self._free:
                self._grow()
            slot = self._slots[parcel] = self._free.pop()
        return slot

    def _grow(self) -> None:
        before = self._counts.shape[1]
        more = max(_MORE, before)
        self._sums = torch.cat([self._sums, _zeros_like(self._sums, more)], dim=1)
        self._counts = torch.cat([self._counts, _zeros_like(self._counts, more)], dim=1)
        self._free = list(range(before + more - 1, before - 1, -1))

    def _forget(self, parcels: Sequence[int], slots: Tensor) -> None:
        self._sums[:, slots] = 0
        self._counts[:, slots] = 0
        for parcel, slot in zip(parcels, slots.tolist(), strict=True):
            del self._slots[parcel]
            self._free.append(slot)


def _zeros_like(sums: Tensor, more: int) -> Tensor:
    shape = list(sums.shape)
    shape[1] = more
    return sums.new_zeros(shape)
