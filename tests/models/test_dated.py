"""Networks of time series, bound to the dates of a stack."""

import json

import pytest
import torch
from torch import nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models import registry
from georaster_dl.models.exchange.check import check_model
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, save_model
from georaster_dl.models.registry import create_model, list_models, register_model, series_models
from georaster_dl.models.runtime.dated import BoundDates, bound_card, load_dated
from georaster_dl.models.runtime.optional_bands import load_narrowed
from georaster_dl.models.zoo.series.bound import DatedNetwork

from .conftest import card_fields

SERIES = {
    "sensors": [{"name": "S2", "bands": 2}, {"name": "S1", "bands": 1}],
    "unit": "pixel",
    "season_start": "01-01",
    "days": (0, 365),
    "dates": (3, 5),
}
BANDS = [{"name": n, "mean": 0.5, "std": 0.25} for n in ("B04", "B08", "VV")]
DATES = (
    BoundDates(("2020-01-11", "2020-02-20"), (10.0, 50.0)),
    BoundDates(("2020-01-06", "2020-01-31", "2020-03-01"), (5.0, 30.0, 60.0)),
)


class Sums(nn.Module):
    """Sums over the valid dates of each sensor, once weighted by days."""

    series = "pixel"

    def __init__(self, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(outputs))

    def forward(self, sensors, geometry=None):
        total = sum((s.values.sum(2) * s.days * s.valid).sum(1) for s in sensors)
        return total[:, None] * self.weight


@pytest.fixture
def registered(monkeypatch):
    registry._import_library()
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))

    @register_model(options={}, series="pixel")
    def day_sums(spec):
        """Sums of values by days."""
        assert spec.sensors == (2, 1)
        return Sums(spec.n_classes)


def series_card(**changes):
    fields = {"architecture": {"name": "day-sums"}, "bands": BANDS, "series": SERIES, "stride": 1}
    fields |= {"halo": {"default": 0, "exact": 0}}
    return Card(**card_fields(**fields | changes))


def test_networks_of_series_are_listed_by_themselves(registered):
    assert "day_sums" in series_models()
    assert "day_sums" in series_models("pixel", "day-*")
    assert series_models("patch", "day-*") == []
    assert "day_sums" not in list_models()


def test_sensors_are_for_networks_of_series_alone():
    with pytest.raises(OptionError, match="networks of time series alone"):
        create_model("unet", in_bands=3, n_classes=2, sensors=(2, 1))


def test_the_bands_of_a_card_are_those_of_its_sensors():
    broken = {**SERIES, "sensors": SERIES["sensors"][:1]}
    with pytest.raises(Exception, match="sensors of 2 bands, but bands are 3"):
        series_card(series=broken)
    for wrong, said in (
        ({"days": (5, 1)}, "days is 5, 1"),
        ({"season_start": "02-30"}, "no day of every year"),
        ({"sensors": [SERIES["sensors"][0], {"name": "S2", "bands": 1}]}, "distinct names"),
    ):
        with pytest.raises(Exception, match=said):
            series_card(series=SERIES | wrong)


def test_a_card_of_series_survives_json():
    card = series_card()
    assert Card.from_json(card.to_json()) == card
    assert json.loads(card.to_json())["series"]["days"] == [0, 365]


def test_a_card_is_bound_to_dates():
    bound = bound_card(series_card(), DATES)
    names = [band.name for band in bound.bands]
    assert names[:3] == ["B04 2020-01-11", "B08 2020-01-11", "B04 2020-02-20"]
    assert names[4:] == ["VV 2020-01-06", "VV 2020-01-31", "VV 2020-03-01"]
    assert {band.mean for band in bound.bands} == {0.5}
    with pytest.raises(OptionError, match="no series of 1 sensors"):
        bound_card(series_card(), DATES[:1])


def test_planes_become_series_with_gaps():
    network = DatedNetwork(Sums(3), (2, 1), [own.days for own in DATES])
    image = torch.randn(2, 7, 5, 6)
    image[0, 2:4, 1, 1] = float("nan")  # the second date of the first sensor
    image[1, 3, 0, 0] = float("nan")  # one band alone masks its date
    made = network(image)
    assert made.shape == (2, 3, 5, 6)
    expected = (image[:, 0] + image[:, 1]) * 10 + (image[:, 2] + image[:, 3]).nan_to_num(0) * 50
    expected = expected + image[:, 4] * 5 + image[:, 5] * 30 + image[:, 6] * 60
    torch.testing.assert_close(made[:, 1], expected)


def test_more_pixels_than_are_computed_at_once_give_the_same():
    network = DatedNetwork(Sums(2), (2, 1), [own.days for own in DATES])
    image = torch.randn(1, 7, 100, 200)
    torch.testing.assert_close(network(image)[..., 90:, 150:], network(image[..., 90:, 150:]))


def test_a_pixel_without_any_date_gives_finite_numbers():
    network = DatedNetwork(Sums(2), (2, 1), [own.days for own in DATES])
    assert network(torch.full((1, 7, 3, 3), float("nan"))).isfinite().all()


def test_exactly_so_many_dates():
    """None is left out, even where it is cloudy in all pixels, and another number is refused at once."""
    network = create_model("ltae", in_bands=2, n_classes=2, dates=2).eval()
    image = torch.randn(1, 4, 3, 3)
    image[:, 2:] = float("nan")
    assert DatedNetwork(network, (2,), [[3.0, 40.0]])(image).isfinite().all()
    with pytest.raises(OptionError, match=r"exactly 2 dates \(`dates=2`\), but the series has 3"):
        DatedNetwork(network, (2,), [[3.0, 40.0, 90.0]])


def test_a_package_of_series_is_saved_checked_and_bound(registered, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(
        path, series_card(), create_model("day-sums", in_bands=3, n_classes=3, sensors=(2, 1))
    )
    card, network = load_model(path)
    assert card.series is not None
    assert "the output of 3 series is finite" in list(check_model(path))[-1]
    image = torch.randn(1, 7, 4, 4)
    expected = DatedNetwork(network, (2, 1), [own.days for own in DATES])(image)
    assert torch.equal(load_dated(path, DATES)(image), expected)
    with pytest.raises(OptionError, match="geodl timeseries classify"):
        load_narrowed(path, ["B04", "B08", "VV"])
