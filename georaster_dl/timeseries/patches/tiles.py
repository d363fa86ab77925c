"""Cost of a pixel by networks of patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from georaster_dl.models.contract import network_stride
from georaster_dl.models.package.card import Cost
from georaster_dl.models.runtime.cost import measure_cost
from georaster_dl.models.zoo.series.bound import DatedNetwork

if TYPE_CHECKING:
    from georaster_dl.timeseries.learning.fit import FittedSeries

__all__ = ["patch_cost"]

_DATES = 8  # with which the cost is measured
_COSTED_SIDE = 64


def patch_cost(fitted: FittedSeries) -> Cost:
    """Measure the cost of a pixel at one date, of all sensors together."""
    bands = [len(mean) for mean in fitted.scaling.mean]
    bound = DatedNetwork(fitted.network, bands, [range(_DATES)] * len(bands))
    whole = measure_cost(
        bound,
        in_bands=_DATES * sum(bands),
        stride=network_stride(fitted.network),
        side=_COSTED_SIDE,
        device="cpu",
    )
    return Cost(
        macs_per_pixel=whole.macs_per_pixel / _DATES, bytes_per_pixel=whole.bytes_per_pixel / _DATES
    )
