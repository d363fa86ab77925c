"""Series in the order of time, for networks that go from date to date."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from georaster_dl.models.contract import Dated

__all__ = ["Ordered", "in_order"]


class Ordered(NamedTuple):
    """The valid dates of a series in the order of time, from the first place on.

    Attributes
    ----------
    values : (N, T, bands); 0 beyond the valid dates.
    days : (N, T) in rising order; infinite beyond the valid dates.
    n_valid : (N,) number of valid dates.
    """

    values: Tensor
    days: Tensor
    n_valid: Tensor


def in_order(series: Dated) -> Ordered:
    """Return a sensor's series without its masked dates, sorted by day."""
    days, order = series.days.masked_fill(~series.valid, torch.inf).sort(dim=1, stable=True)
    values = series.values.gather(1, order[..., None].expand_as(series.values))
    return Ordered(values.masked_fill(days.isinf()[..., None], 0), days, series.valid.sum(1))
