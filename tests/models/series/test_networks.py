"""Networks of time series: weights counted, masked dates and orders without effect."""

import numpy as np
import pytest
import torch
from torch import nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import Dated
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, save_model
from georaster_dl.models.registry import create_model, series_kind, series_models
from georaster_dl.models.zoo.series.tempcnn import interpolated
from georaster_dl.models.zoo.series.utae import _weights
from tests.models.conftest import card_fields

from .making import SENSOR_BANDS, SIDE, N, network_and_series, padded, permuted, series

NETWORKS = series_models()
PIXEL, SETS = series_models("pixel"), series_models("set")
WITH_ATTENTION = ["ltae", "pse_tae", "pse_ltae"]
each = pytest.mark.parametrize("name", NETWORKS)
pixelwise = pytest.mark.parametrize("name", PIXEL)
setwise = pytest.mark.parametrize("name", SETS)
attentive = pytest.mark.parametrize("name", WITH_ATTENTION)


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


COUNTS = [
    ("ltae", 6, 9, {}, 112_201),
    ("ltae", 6, 9, {"dates": 24}, 112_201 + 2 * 256 * 23),
    ("tempcnn", 13, 9, {"steps": 45, "width": 128, "kernel": 7}, 3_197_449),
    ("tempcnn", 6, 9, {"steps": 23}, 423_369),
    ("lstm", 6, 9, {"positions": False}, 536_841),
    ("gru", 6, 9, {"positions": False}, 403_209),
    ("rnn", 6, 9, {"positions": False}, 37_129),
    ("pse_tae", 10, 20, {}, 164_116),
    ("pse_tae", 10, 20, {"geometry": False}, 163_604),
    ("pse_ltae", 10, 20, {"dates": 24}, 143_124),
    ("pse_ltae", 10, 20, {}, 131_348),
    ("utae", 10, 20, {}, 1_087_260),
]


@pytest.mark.parametrize(("name", "bands", "classes", "options", "weights"), COUNTS)
def test_published_numbers_of_weights(name, bands, classes, options, weights):
    network = create_model(name, in_bands=bands, n_classes=classes, **options)
    assert sum(weight.numel() for weight in network.parameters()) == weights


@each
def test_a_network_says_what_it_sees(name):
    network, _, _ = network_and_series(name)
    assert network.series == series_kind(name)


@each
@pytest.mark.parametrize("n_sensors", [1, 2])
@torch.inference_mode()
def test_outputs_of_each_series(name, n_sensors):
    network, sensors, geometry = network_and_series(name, n_sensors=n_sensors)
    logits = network(sensors, geometry)
    shape = (N, 4, SIDE, SIDE) if network.series == "patch" else (N, 4)
    assert logits.shape == shape
    assert logits.isfinite().all()


@each
@torch.inference_mode()
def test_the_order_of_dates_does_not_matter(name):
    network, sensors, geometry = network_and_series(name, n_sensors=2)
    close(network([permuted(s) for s in sensors], geometry), network(sensors, geometry))


@each
@torch.inference_mode()
def test_days_do_matter(name):
    network, (one,), geometry = network_and_series(name)
    moved = one._replace(days=one.days.sort(1).values)
    assert not torch.allclose(network([moved], geometry), network([one], geometry), atol=1e-3)


@each
@pytest.mark.parametrize("garbage", [1e4, float("nan")])
@torch.inference_mode()
def test_masked_dates_do_not_matter(name, garbage):
    network, sensors, geometry = network_and_series(name, n_sensors=2)
    more = [padded(s, garbage=garbage) for s in sensors]
    close(network(more, geometry), network(sensors, geometry))


def _without_dropout(network):
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.RNNBase):
            module.dropout = 0.0
    return network


def _statistics(network):
    return {name: buffer for name, buffer in network.named_buffers() if "running" in name}


@each
def test_masked_dates_do_not_matter_in_training(name):
    """Neither for outputs and gradients nor for the statistics of batch normalisation."""
    found = []
    for change in (lambda s: s, padded):
        network, sensors, geometry = network_and_series(name)
        sensors = [change(Dated(s.values.double(), s.days, s.valid)) for s in sensors]
        logits = _without_dropout(network).double().train()(sensors, geometry.double())
        logits.square().sum().backward()
        gradients = {name: weight.grad for name, weight in network.named_parameters()}
        found.append((logits.detach(), _statistics(network), gradients))
    for of_padded, expected in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(of_padded, expected, atol=1e-8, rtol=1e-6)


@each
def test_gradients_reach_every_weight_and_are_finite(name):
    network, sensors, geometry = network_and_series(name, n_sensors=2)
    sensors = [Dated(s.values.requires_grad_(), s.days, s.valid) for s in sensors]
    network.train()(sensors, geometry).square().sum().backward()
    learning = {key: w for key, w in network.named_parameters() if w.requires_grad}
    for weight_name, weight in learning.items():
        assert weight.grad is not None, weight_name
        assert weight.grad.isfinite().all(), weight_name
    assert all(s.values.grad.isfinite().all() for s in sensors)


@each
@torch.inference_mode()
def test_a_series_does_not_see_the_others(name):
    network, sensors, geometry = network_and_series(name, n_sensors=2)
    alone = [
        network([Dated(*(part[i : i + 1] for part in s)) for s in sensors], geometry[i : i + 1])
        for i in range(N)
    ]
    close(torch.cat(alone), network(sensors, geometry))


@each
@pytest.mark.parametrize("training", [False, True])
def test_no_valid_date_gives_finite_outputs(name, training):
    network, (one,), geometry = network_and_series(name)
    network.train(training)
    valid = one.valid.clone()
    valid[:2] = False
    assert network([one._replace(valid=valid)], geometry).isfinite().all()
    network([one._replace(valid=torch.zeros_like(valid))], geometry).sum().backward()
    assert all(w.grad is None or w.grad.isfinite().all() for w in network.parameters())


@each
@pytest.mark.parametrize("training", [False, True])
def test_a_single_series_of_a_single_date(name, training):
    network, _, geometry = network_and_series(name)
    one = series(series_kind(name), 3, 1, n=1)
    assert network.train(training)([one], geometry[:1]).isfinite().all()


@each
@torch.inference_mode()
def test_weights_go_to_another_network_of_the_name(name):
    network, sensors, geometry = network_and_series(name)
    other, _, _ = network_and_series(name, seed=9)
    assert not torch.equal(other(sensors, geometry), network(sensors, geometry))
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(sensors, geometry), network(sensors, geometry))


@each
@torch.inference_mode()
def test_a_model_file_gives_the_same_network(name, tmp_path):
    network, sensors, geometry = network_and_series(name, n_sensors=2)
    fields = card_fields(
        architecture={"name": name},
        stride=network.stride,
        bands=[{"name": band.name, "mean": 0.2, "std": 0.1} for band in SENSOR_BANDS],
        classes=[{"value": i, "name": f"crop {i}", "color": f"#0000{i}0"} for i in range(1, 5)],
        series={
            "sensors": [{"name": "S2", "bands": 3}, {"name": "S1", "bands": 2}],
            "unit": "pixel",
            "season_start": "10-01",
            "days": [0, 360],
            "dates": [3, 9],
        },
    )
    save_model(tmp_path / "series.safetensors", Card(**fields), network)
    _, loaded = load_model(tmp_path / "series.safetensors")
    assert torch.equal(loaded(sensors, geometry), network(sensors, geometry))


@each
def test_the_series_are_not_changed(name):
    network, sensors, geometry = network_and_series(name, n_sensors=2)
    before = [Dated(*(part.clone() for part in s)) for s in sensors]
    network(sensors, geometry)
    for one, same in zip(before, sensors, strict=True):
        assert all(torch.equal(*parts) for parts in zip(one, same, strict=True))


@each
def test_a_missing_sensor_is_named(name):
    network, sensors, geometry = network_and_series(name, n_sensors=2)
    with pytest.raises(OptionError, match=r"of 2 sensors, but got 1; give one `Dated` of each"):
        network(sensors[:1], geometry)


@pixelwise
@torch.inference_mode()
def test_blocks_of_pixels_change_nothing(name):
    network, sensors, _ = network_and_series(name, n_sensors=2)
    expected = network(sensors)
    network._block = 2
    close(network(sensors), expected)


@pixelwise
@torch.inference_mode()
def test_pixels_of_a_map_share_their_days(name):
    """One row of days without memory of its own is as good as a row for each pixel."""
    network, (one,), _ = network_and_series(name)
    shared = one.days[:1].expand(N, -1)
    expected = network([one._replace(days=shared.clone())])
    close(network([one._replace(days=shared)]), expected)


@attentive
@torch.inference_mode()
def test_attention_is_shared_among_valid_dates(name):
    network, sensors, geometry = network_and_series(name, n_sensors=2)
    for shares, one in zip(network.attention(sensors, geometry), sensors, strict=True):
        valid = one.valid if one.valid.ndim == 2 else one.valid.any(2)
        heads = 4 if name == "pse_tae" else 16
        assert shares.shape == (N, heads, valid.shape[1])
        close(shares.sum(2), torch.ones(N, heads))
        assert (shares.movedim(1, 2)[~valid] == 0).all()


@pytest.mark.parametrize("n_sensors", [1, 2])
def test_folded_attention_is_the_same(n_sensors):
    """Maps are made with less work than training, from the same weights."""
    network, sensors, _ = network_and_series("ltae", n_sensors=n_sensors)
    step_by_step, shares = network(sensors), network.attention(sensors)
    with torch.inference_mode():
        close(network(sensors), step_by_step.detach())
        for found, expected in zip(network.attention(sensors), shares, strict=True):
            close(found, expected.detach())
        with torch.autocast("cpu", torch.bfloat16):
            near = network(sensors).float()
        assert (near - step_by_step).abs().max() < 0.05 * step_by_step.abs().max()


class TestSets:
    @setwise
    @torch.inference_mode()
    def test_the_order_of_pixels_does_not_matter(self, name):
        network, (one,), geometry = network_and_series(name)
        order = torch.randperm(one.values.shape[3])
        other = Dated(one.values[..., order], one.days, one.valid[..., order])
        close(network([other], geometry), network([one], geometry))

    @setwise
    @torch.inference_mode()
    def test_masked_pixels_do_not_matter(self, name):
        network, (one,), geometry = network_and_series(name)
        more = one.values.new_full((*one.values.shape[:3], 3), torch.nan)
        values = torch.cat([more, one.values], 3)
        valid = torch.cat([torch.zeros_like(more[:, :, 0], dtype=torch.bool), one.valid], 2)
        close(network([Dated(values, one.days, valid)], geometry), network([one], geometry))

    @setwise
    @torch.inference_mode()
    def test_running_sums_over_blocks_give_the_same(self, name):
        network, sensors, geometry = network_and_series(name, n_sensors=2)
        moments = [
            _moments_by_blocks(network, number, one, block=2) for number, one in enumerate(sensors)
        ]
        expected = network(sensors, geometry)
        close(network.from_moments(moments, geometry), expected)
        for found, same in zip(
            network.attention(moments, geometry), network.attention(sensors, geometry), strict=True
        ):
            close(found, same)

    @setwise
    @torch.inference_mode()
    def test_a_single_pixel_deviates_by_nothing(self, name):
        network, (one,), geometry = network_and_series(name)
        single = Dated(one.values[..., :1], one.days, one.valid[..., :1])
        (moments,) = network._moments([single])
        width = network.n_features
        assert (moments.values[..., width:] == 0).all()
        repeated = Dated(
            *(part.repeat_interleave(3, -1) for part in (single.values,)),
            one.days,
            single.valid.repeat_interleave(3, -1),
        )
        close(network([repeated], geometry), network([single], geometry))

    @setwise
    def test_shapes_must_be_given_to_a_network_that_takes_them(self, name):
        network, sensors, _ = network_and_series(name)
        with pytest.raises(
            OptionError, match=r"shapes of the parcels, too, but got none; give `geometry`,"
        ):
            network(sensors)

    @setwise
    @torch.inference_mode()
    def test_shapes_do_matter(self, name):
        network, sensors, geometry = network_and_series(name)
        assert not torch.allclose(
            network(sensors, geometry + 1), network(sensors, geometry), atol=1e-3
        )
        without, sensors, geometry = network_and_series(name, geometry=False)
        assert torch.equal(without(sensors, geometry), without(sensors))

    @setwise
    def test_folded_layers_are_the_same(self, name):
        network, _, _ = network_and_series(name)
        values = torch.randn(10_000, 3)
        step_by_step = network.pixel_features(0, values).detach()
        with torch.inference_mode():
            close(network.pixel_features(0, values), step_by_step)

    def test_shapes_are_normalised_by_training(self):
        network, sensors, geometry = network_and_series("pse_tae")
        _without_dropout(network).train()
        found = network(sensors, 1000 * geometry + 5e4)
        torch.testing.assert_close(found, network(sensors, geometry), atol=1e-3, rtol=1e-3)


def _moments_by_blocks(network, number, one, block):
    """Mean and deviation by running sums in float64, as over the blocks of a raster."""
    n, t, _, s = one.values.shape
    sums = torch.zeros(3, n, t, network.n_features, dtype=torch.float64)
    for start in reversed(range(0, s, block)):
        valid = one.valid[..., start : start + block]
        values = one.values.movedim(2, 3)[:, :, start : start + block]
        features = torch.zeros(*valid.shape, network.n_features, dtype=torch.float64)
        features[valid] = network.pixel_features(number, values[valid]).double()
        sums += torch.stack(
            [
                valid.sum(2, keepdim=True).expand(n, t, network.n_features),
                features.sum(2),
                features.square().sum(2),
            ]
        )
    count, total, squares = sums
    mean = total / count.clamp(min=1)
    variance = (squares - count * mean**2).clamp(min=0) / (count - 1).clamp(min=1)
    values = torch.cat([mean, variance.sqrt()], 2).float()
    return Dated(values, one.days, one.valid.any(2))


class TestPatches:
    @torch.inference_mode()
    def test_attention_has_an_eighth_of_the_resolution(self):
        network, (one,), _ = network_and_series("utae")
        (shares,) = network.attention([one])
        assert shares.shape == (N, 16, one.days.shape[1], SIDE // 8, SIDE // 8)
        close(shares.sum(2), torch.ones(N, 16, 2, 2))

    @torch.inference_mode()
    def test_weights_where_all_is_clear_are_the_published_ones(self):
        shares = torch.rand(2, 16, 5, 2, 3).softmax(2)
        weights = _weights(shares, torch.ones(2, 5, 8, 12))
        published = torch.stack(
            [nn.functional.interpolate(s, scale_factor=4, mode="bilinear") for s in shares]
        )
        close(weights, published)

    @torch.inference_mode()
    def test_a_masked_pixel_has_no_weight(self):
        clear = (torch.rand(2, 5, 8, 12) > 0.5).float()
        weights = _weights(torch.rand(2, 16, 5, 2, 3).softmax(2), clear)
        assert (weights.movedim(1, -1)[clear == 0] == 0).all()
        close(weights.sum(2), (clear.sum(1) > 0).float()[:, None].expand(2, 16, 8, 12))

    @pytest.mark.parametrize("side", [8, 24])
    @torch.inference_mode()
    def test_any_multiple_of_its_stride(self, side):
        network, _, _ = network_and_series("utae")
        one = Dated(
            torch.randn(1, 4, 3, side, 8), torch.arange(4.0)[None], torch.rand(1, 4, side, 8) > 0.5
        )
        logits = network([one])
        assert logits.shape == (1, 4, side, 8)
        assert logits.isfinite().all()


class TestExactlySoManyDates:
    @pytest.mark.parametrize("name", ["ltae", "pse_ltae"])
    @torch.inference_mode()
    def test_the_order_of_dates_does_not_matter(self, name):
        network, (one,), geometry = network_and_series(name, dates=7)
        close(network([permuted(one)], geometry), network([one], geometry))

    @torch.inference_mode()
    def test_masked_dates_do_not_matter(self):
        network, (one,), _ = network_and_series("ltae", dates=7)
        garbage = one._replace(values=one.values.where(one.valid[..., None], 1e4))
        close(network([garbage]), network([one]))

    @torch.inference_mode()
    def test_it_is_layer_normalisation_where_all_are_valid(self):
        network, (one,), _ = network_and_series("ltae", dates=7)
        norm = network.encoders[0].ltae.date_norm
        days = one.days.sort(1).values
        whole = Dated(one.values, days, torch.ones_like(one.valid))
        rows = torch.randn(N, 7, 256)
        published = nn.functional.layer_norm(rows.mT, (256, 7), norm.weight, norm.bias).mT
        close(norm(rows.flatten(0, 1), whole), published.flatten(0, 1))

    def test_another_number_is_refused(self):
        network, (one,), _ = network_and_series("ltae", dates=7)
        with pytest.raises(
            OptionError, match=r"exactly 7 dates \(`dates=7`\), but the series has 10"
        ):
            network([padded(one)])


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("tempcnn", {"kernel": 4}, "takes an odd kernel, as 3, 5 or 7, but got kernel=4"),
        ("tempcnn", {"first": 90, "last": 90}, "got first=90 and last=90; give a last day after"),
        (
            "tempcnn",
            {"first": -401},
            "takes a whole number from -400 to 40000 as first, but got -401",
        ),
        ("ltae", {"dates": 0}, "takes none or a whole number from 1 to 4096 as dates, but got 0"),
        (
            "ltae",
            {"dates": True},
            "takes none or a whole number from 1 to 4096 as dates, but got True",
        ),
        ("gru", {"layers": 0}, "takes a whole number from 1 to 4096 as layers, but got 0"),
    ],
)
def test_impossible_options(name, option, message):
    with pytest.raises(OptionError, match=message):
        create_model(name, in_bands=2, n_classes=2, **option)


def _of_samples(logits):
    return logits.flatten(2).mean(2) if logits.ndim > 2 else logits


QUICK = {name: {"width": 32} for name in ("rnn", "lstm", "gru")}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*NETWORKS} - {"presto"}))
def test_learns_when_a_peak_is(name):
    """Two classes of noisy series with masked dates, which differ in the time of their peak alone."""
    torch.manual_seed(0)
    kind, n, dates = series_kind(name), 192, 16
    one = series(kind, 1, dates, n=n)
    target = torch.arange(n) % 2
    days = 20.0 * torch.arange(dates) + 20 * torch.rand(n, dates)
    peaks = torch.exp(-((days - 110 - 100 * target[:, None]) ** 2) / (2 * 40**2))
    values = peaks.view(n, dates, *[1] * (one.values.ndim - 2)) + 0.1 * torch.randn_like(one.values)
    of_all = Dated(2 * values, days, one.valid)
    batch_size, steps = (32, 80)
    if kind == "patch":  # the same with less work
        of_all = Dated(of_all.values[..., :8, :8], days, of_all.valid[..., :8, :8])
        batch_size, steps = (16, 40)
    order = torch.randperm(128)
    test = Dated(*(part[128:] for part in of_all))
    options = {"geometry": False} if kind == "set" else QUICK.get(name, {})
    network = create_model(name, in_bands=1, n_classes=2, **options).train()
    optimiser = torch.optim.AdamW(network.parameters(), 0.003)
    slower = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    for step in range(steps):
        batch = order.roll(batch_size * step)[:batch_size]
        logits = network([Dated(*(part[batch] for part in of_all))])
        loss = nn.functional.cross_entropy(_of_samples(logits), target[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        slower.step()
    with torch.inference_mode():
        found = _of_samples(network.eval()([test])).argmax(1)
    assert (found == target[128:]).float().mean() > 0.95


@torch.inference_mode()
def test_interpolation_is_numpys():
    one = series("pixel", 3, 8)
    wanted = torch.linspace(-40, 400, 23)
    found = interpolated(padded(one), wanted)
    for values, days, valid, of_sample in zip(*one, found, strict=True):
        order = days[valid].argsort()
        for band in range(3):
            expected = np.interp(wanted, days[valid][order], values[valid][order, band])
            np.testing.assert_allclose(of_sample[:, band], expected, atol=1e-5)
