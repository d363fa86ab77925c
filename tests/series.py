"""A small network of time series whose output is known, and packages of it, for tests."""

import pytest
import torch
from torch import nn

from georaster_dl.core.legend import MapClass
from georaster_dl.models import registry
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import save_model
from georaster_dl.models.registry import create_model, register_model
from georaster_dl.testing import small_card


class DaySums(nn.Module):
    """Logits from the sum of all valid values weighted by their days: one class where it is above 0."""

    series = "pixel"

    def __init__(self, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(outputs) - (outputs - 1) / 2)

    def forward(self, sensors, geometry=None):
        total = sum((s.values.sum(2) * s.days * s.valid).sum(1) for s in sensors)
        return total[:, None] * self.weight


@pytest.fixture
def day_sums(monkeypatch):
    """Registers the network as ``day_sums``, for a test."""
    registry._import_library()
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))

    @register_model(options={}, series="pixel")
    def day_sums(spec):
        """Sums of values by days."""
        return DaySums(spec.n_classes)


def series_card(bands=("B04", "B08"), sensors=None, *, n_classes=2, mean=0.5, std=0.25, **fields):
    """Card of a network of series, with mean and standard deviation of each band."""
    sensors = sensors or {"images": len(bands)}
    series = {
        "sensors": [{"name": name, "bands": n} for name, n in sensors.items()],
        "unit": "pixel",
        "season_start": "01-01",
        "days": (0, 365),
        "dates": (3, 5),
    }
    fields = {
        "name": "crops",
        "architecture": {"name": "day-sums"},
        "bands": [{"name": name, "mean": mean, "std": std} for name in bands],
        "series": series | fields.pop("series", {}),
        "stride": 1,
        "halo": {"default": 0, "exact": 0},
        "classes": [MapClass(i + 1, f"crop {i + 1}", (20 * i, 200, 0)) for i in range(n_classes)],
        "resolution_m": None,
    } | fields
    return Card(**small_card(bands=bands).model_dump() | fields)


def write_series_model(path, card):
    """Write a package of the network."""
    sensors = [sensor.bands for sensor in card.series.sensors]
    network = create_model(
        "day-sums", in_bands=len(card.bands), n_classes=card.outputs, sensors=sensors
    )
    save_model(path, card, network)
    return path
