"""U-TAE learns from patches, beside a random forest on the same pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.file import read_card
from georaster_dl.timeseries.learning import inputs as inputs_module
from georaster_dl.timeseries.learning.augment import SeriesAugmentation, turn, turn_back
from georaster_dl.timeseries.learning.forest import SeriesForest
from georaster_dl.timeseries.learning.inputs import SeriesInputs, SeriesScaling, series_planes
from georaster_dl.timeseries.learning.options import SeriesTrainOptions, SplitOptions
from georaster_dl.timeseries.learning.split import plan_split
from georaster_dl.timeseries.patches.samples import PatchOptions, samples_of_patches
from georaster_dl.timeseries.train import train_series


@pytest.fixture
def samples(field, stack):
    return samples_of_patches(stack, field[2], PatchOptions(side=16))


def test_the_eight_turns_are_different_and_can_be_undone():
    images = torch.arange(8 * 3 * 4 * 4).reshape(8, 3, 4, 4)
    turned = turn(images[:1].expand(8, -1, -1, -1), torch.arange(8))
    assert len({tuple(one.flatten().tolist()) for one in turned}) == 8
    torch.testing.assert_close(turn_back(turn(images, torch.arange(8)), torch.arange(8)), images)


class Pixelwise(nn.Module):
    """Sum of the values and twice the mask; shows where its last input had row 0."""

    series = "patch"

    def forward(self, sensors, geometry=None):
        ((values, _days, valid),) = sensors
        self.seen = values
        return (values.sum(2) + 2 * valid).sum(1, keepdim=True)


def test_planes_of_turned_patches_lie_on_their_labels(samples):
    scaling = SeriesScaling.of(samples)
    plain = SeriesInputs.of(samples, scaling, "01-01", "patch")[torch.arange(8)]
    network = Pixelwise().train()
    upright = series_planes(network, plain)
    before = network.seen
    turning = plain.in_training(SeriesAugmentation(turn=1.0), 1)
    torch.manual_seed(0)
    torch.testing.assert_close(series_planes(network, turning), upright)
    assert (network.seen != before).any()


def test_moments_are_those_of_all_valid_pixels_whatever_the_pieces(samples, monkeypatch):
    whole = SeriesScaling.of(samples)
    monkeypatch.setattr(inputs_module, "_PIECE", 4 * samples.sensors[0].values[0].size)
    pieces = SeriesScaling.of(samples)
    values = np.moveaxis(samples.sensors[0].values.astype(float), 2, -1)[samples.sensors[0].valid]
    for moments in (whole, pieces):
        np.testing.assert_allclose(moments.mean[0], values.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(moments.std[0], values.std(axis=0), rtol=1e-12)


@pytest.mark.slow
def test_a_forest_classifies_the_labelled_pixels_of_patches(samples):
    forest = SeriesForest("01-01", 0).fit(samples.rows(np.arange(6)))
    tested = samples.rows(np.arange(20, 24))
    classes = forest.predict(tested)
    assert ((classes >= 0) == (tested.labels >= 0)).all()
    known = tested.labels >= 0
    assert (classes == tested.labels)[known].mean() > 0.8


def trained(samples, tmp_path, **options):
    out = tmp_path / "utae.safetensors"
    chosen = SeriesTrainOptions(architecture="utae", season_start="01-01", **options)
    return train_series(samples, chosen, out, lambda _event: None), read_card(out)


@pytest.mark.slow
def test_utae_is_packaged_with_its_tiling(samples, tmp_path):
    result, card = trained(samples, tmp_path, epochs=1)
    (fold,) = result.folds
    # Both are scored on the same labelled pixels.
    assert fold.network.n == fold.forest.n > 500
    assert (card.series.unit, card.series.patch, card.stride) == ("patch", 16, 8)
    assert (card.halo.exact, card.halo.default, card.halo.blend) == (8, 8, 0)
    assert 500 < card.cost.bytes_per_pixel < 2000
    assert card.calibration.pixels > 100
    assert card.calibration.ece is not None
    assert "strips of patches" in card.training["split"]


@pytest.mark.slow
def test_utae_learns_crops(samples, tmp_path):
    result, _ = trained(samples, tmp_path, epochs=10)
    assert result.folds[0].network.accuracy > 0.9


def test_networks_of_pixels_do_not_learn_from_patches(samples, tmp_path):
    options = SeriesTrainOptions(architecture="ltae", epochs=1)
    with pytest.raises(
        OptionError, match="reads pixels and parcels, but the samples of .* are patches"
    ):
        train_series(samples, options, tmp_path / "m.safetensors", lambda _event: None)


def test_patches_may_be_split_by_a_column(samples):
    groups = samples.groups.assign(part=np.where(samples.groups.patch_col < 3, "train", "test"))
    plan = plan_split(replace(samples, groups=groups), SplitOptions(column="part"), "01-01", 0)
    assert plan.folds[0].test.sum() == (groups.part == "test").sum()
