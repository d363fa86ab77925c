"""Presto's encoder: its weights, what it is told of its input, and what it makes of masked months."""

import numpy as np
import pytest
import torch
from torch import nn

from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.models.contract import Dated
from georaster_dl.models.package.values import InputBand
from georaster_dl.models.registry import create_model

from .making import network_and_series, series

NAMES = ["B04", "B08", "B11", "B12", "ELEVATION", "SLOPE", "VV", "thermal"]
MEANS, STDS = torch.linspace(0.1, 0.8, 8), torch.linspace(0.05, 0.4, 8)
BANDS = [
    InputBand(name, mean=mean, std=std)
    for name, mean, std in zip(NAMES, MEANS.tolist(), STDS.tolist(), strict=True)
]


def presto(season_start="10-01", **options):
    torch.manual_seed(0)
    network = create_model("presto", in_bands=8, n_classes=3, **options).eval()
    network.describe_input(BANDS, season_start)
    return network


def test_published_number_of_weights():
    """Tables of positions and months are not counted, as they never learn."""
    tables = ("pos_embed", "month_embed.weight")
    named = presto().presto.named_parameters()
    assert sum(weight.numel() for name, weight in named if name not in tables) == 402_240


def test_the_classifier_alone_learns():
    network = presto()
    learning = [name for name, weight in network.named_parameters() if weight.requires_grad]
    assert learning == ["head.weight", "head.bias"]


@torch.inference_mode()
def test_tokens_of_bands_that_are_there_alone():
    """As if written for one pixel: a token of a group and a month, elevation once, and their mean."""
    network = presto()
    encoder = network.presto
    days = torch.tensor([[3.0, 40, 45, 200, 370]])  # October, November twice, April, October
    one = Dated(torch.randn(1, 5, 8), days, torch.tensor([[True, True, True, False, True]]))
    physical = one.values[0] * STDS + MEANS
    months = [(0, 9, physical[:1]), (1, 10, physical[1:3]), (12, 9, physical[4:])]
    tokens, heights = [], []
    for step, month, dates in months:
        red, infrared, swir, swir2, height, slope, *_ = dates.mean(0)
        heights.append(torch.stack([height / 2000, slope / 50]))
        ndvi = (infrared - red) / (infrared + red)
        for number, group, values in (
            (3, "S2_NIR_10m", infrared[None]),
            (5, "S2_SWIR", torch.stack([swir, swir2])),
            (8, "NDVI", ndvi[None]),
        ):
            place = [encoder.month_embed.weight[month], encoder.channel_embed.weight[number]]
            position = torch.cat([*place, encoder.pos_embed[0, step]])
            tokens.append(encoder.eo_patch_embed[group](values) + position)
    channel = torch.cat([torch.zeros(32), encoder.channel_embed.weight[7], torch.zeros(64)])
    tokens.append(encoder.eo_patch_embed["SRTM"](torch.stack(heights).mean(0)) + channel)
    rows = torch.stack(tokens)
    for block in encoder.blocks:
        queries, keys, values = block.attn["qkv"](block.norm1(rows)).view(-1, 3, 8, 16).unbind(1)
        shares = (torch.einsum("qhd,khd->hqk", queries, keys) / 4).softmax(2)
        seen = torch.einsum("hqk,khd->qhd", shares, values).flatten(1)
        rows = rows + block.attn["proj"](seen)
        rows = rows + block.mlp["fc2"](nn.functional.gelu(block.mlp["fc1"](block.norm2(rows))))
    expected = network.head(encoder.norm(rows.mean(0)))
    torch.testing.assert_close(network([one])[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("season_start", ["01-01", "09-01", "12-15"])
def test_days_are_in_the_months_of_the_calendar(season_start):
    start = np.datetime64(f"2021-{season_start}")
    days = np.arange(-60, 360)
    expected = (start + days).astype("datetime64[M]").astype(int) - 12 * 51
    found = presto(season_start)._months(torch.from_numpy(days).float())
    assert found.tolist() == expected.tolist()


class TestWeights:
    @pytest.fixture
    def stored(self):
        torch.manual_seed(5)
        encoder = presto().presto
        return {
            f"encoder.{name}": torch.randn_like(w) for name, w in encoder.state_dict().items()
        } | {"decoder.mask_token": torch.zeros(128)}

    def test_the_public_file_is_read(self, stored, tmp_path):
        path = tmp_path / "default_model.pt"
        torch.save(stored, path)
        network = presto(encoder_weights=str(path))
        for name, weight in network.presto.state_dict().items():
            assert torch.equal(weight, stored[f"encoder.{name}"])
        assert network.train()([series("pixel", 8, 5)]).isfinite().all()

    def test_it_says_where_they_are_to_be_had(self, tmp_path):
        missing = r"no file of weights .*nowhere\.pt; get https://github\.com/nasaharvest/presto.* \(MIT\)"
        with pytest.raises(OptionError, match=missing):
            presto(encoder_weights=str(tmp_path / "nowhere.pt"))

    def test_other_weights_are_refused(self, stored, tmp_path):
        path = tmp_path / "other.pt"
        stored["encoder.norm.weight"] = torch.zeros(64)
        torch.save(stored, path)
        with pytest.raises(ModelPackageError, match=r"encoder: norm\.weight do not fit; get https"):
            presto(encoder_weights=str(path))

    def test_no_code_is_run(self, tmp_path):
        path = tmp_path / "code.pt"
        torch.save({"encoder.norm.weight": nn.Linear(2, 2)}, path)
        with pytest.raises(ModelPackageError, match=r"is no file of weights \(UnpicklingError\)"):
            presto(encoder_weights=str(path))

    def test_nothing_is_learnt_without_them(self):
        with pytest.raises(
            OptionError,
            match="learns with pretrained weights alone; get https.* as `encoder_weights=`",
        ):
            presto().train()([series("pixel", 8, 5)])


def test_bands_must_be_known_by_name():
    network = create_model("presto", in_bands=1, n_classes=2)
    with pytest.raises(
        OptionError, match="knows the bands VV, VH, B02, .*, but got NDVI; rename those"
    ):
        network.describe_input([InputBand("NDVI", mean=0, std=1)], "01-01")


@torch.inference_mode()
def test_what_it_was_told_goes_with_its_weights():
    network, sensors, _ = network_and_series("presto", n_sensors=2)
    other = create_model("presto", in_bands=5, n_classes=4, sensors=(3, 2)).eval()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(sensors), network(sensors))
