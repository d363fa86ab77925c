"""Random series for tests of networks, and what may be done to them without any effect."""

import torch

from georaster_dl.models.contract import Dated
from georaster_dl.models.package.values import InputBand
from georaster_dl.models.registry import create_model, series_kind

BANDS = (3, 2)  # of two sensors
N, DATES, PIXELS, SIDE = 5, (7, 9), 6, 16

SENSOR_BANDS = [InputBand(name, mean=0.2, std=0.1) for name in ("B04", "B08", "NDVI", "VV", "VH")]

SHAPES = {"pixel": (), "set": (PIXELS,), "patch": (SIDE, SIDE)}


def network_and_series(name, *, seed=0, n_sensors=1, **options):
    """Return a network that computes, and series and shapes of parcels that it reads."""
    torch.manual_seed(seed)
    bands = BANDS[:n_sensors]
    network = create_model(name, in_bands=sum(bands), n_classes=4, sensors=bands, **options).eval()
    if name == "presto":
        network.describe_input(SENSOR_BANDS[: sum(bands)], "10-01")
        network.pretrained.fill_(True)
    # Weights and statistics other than at the start, where normalisations do nothing.
    for key, tensor in network.state_dict().items():
        if tensor.is_floating_point() and (tensor.ndim == 1 or "running" in key):
            tensor.add_(torch.randn_like(tensor), alpha=0.1)
    kind = series_kind(name)
    return (
        network,
        [series(kind, b, t) for b, t in zip(bands, DATES, strict=False)],
        torch.randn(N, 4),
    )


def series(kind, bands, dates, n=N):
    """Return series of distinct days with about a third masked, at least one date of each valid."""
    days = torch.rand(n, 400).argsort(1)[:, :dates].float() - 20
    valid = torch.rand(n, dates, *SHAPES[kind]) > 0.3
    valid[:, 0] = True
    values = torch.randn(n, dates, bands, *SHAPES[kind])
    return Dated(values * by_band(valid), days, valid)


def by_band(valid):
    """Return the mask with an axis for bands."""
    return valid[:, :, None]


def permuted(series, seed=1):
    """Return series with the dates of each sample in another order."""
    order = torch.rand(series.days.shape, generator=torch.manual_seed(seed)).argsort(1)
    rows = torch.arange(len(order))[:, None]
    return Dated(*(part[rows, order] for part in series))


def padded(series, dates=3, garbage=1e4):
    """Return series with further dates that are not valid, before and behind, and garbage wherever masked."""
    n = len(series.days)
    more = [part.new_zeros(n, dates, *part.shape[2:]) for part in series]
    values, days, valid = (
        torch.cat([extra[:, :1], part, extra[:, 1:]], 1)
        for part, extra in zip(series, more, strict=True)
    )
    unknown = ~valid.flatten(2).any(2) if valid.ndim > 2 else ~valid
    days = days.where(~unknown, 777.0)
    return Dated(values.where(by_band(valid), garbage), days, valid)
