"""Random numbers follow from the place in the scene, not from the tile."""

import numpy as np
import pytest
import torch

from georaster_dl.predict.predictors.fields import (
    PERIOD,
    Draw,
    kept_share,
    normal_field,
    over_planes,
)
from georaster_dl.predict.predictors.stochastic import SceneDropout


def test_the_share_that_is_dropped_is_the_one_asked_for():
    for share in (0.0, 0.1, 0.5):
        kept = kept_share((0, 5), 16, share)
        assert kept.shape == (PERIOD, PERIOD, 16)
        assert kept.mean() == pytest.approx(1 - share, abs=0.005)


def test_seed_pass_and_layer_each_give_other_numbers():
    keys = {
        name: Draw(**of).key(layer)
        for name, of, layer in (
            ("first", {"seed": 0, "number": 0}, 0),
            ("seed", {"seed": 1, "number": 0}, 0),
            ("pass", {"seed": 0, "number": 1}, 0),
            ("layer", {"seed": 0, "number": 0}, 1),
        )
    }
    drawn = {name: kept_share(key, 4, 0.5) for name, key in keys.items()}
    for name in ("seed", "pass", "layer"):
        # Independent coins agree in half of all cases.
        assert np.mean(drawn[name] == drawn["first"]) == pytest.approx(0.5, abs=0.02)
    # Nor do channels, rows or cols repeat each other.
    first = drawn["first"]
    assert np.mean(first[..., 0] == first[..., 1]) == pytest.approx(0.5, abs=0.04)
    assert np.mean(first[1:] == first[:-1]) == pytest.approx(0.5, abs=0.02)


def test_normal_numbers_are_normal():
    drawn = normal_field((3, 4), 8).ravel()
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(1, abs=0.02)
    assert np.mean(np.abs(drawn) > 1.96) == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize("stride", [1, 4])
def test_any_part_of_the_scene_gets_the_masks_of_the_whole(stride):
    draw = Draw(seed=7, number=2)
    dropout = SceneDropout(0.3, 1, draw)
    whole = torch.randn(1, 6, 160, 200)
    draw.origins, draw.shape = [(0, 0)], (160 * stride, 200 * stride)
    expected = dropout(whole)
    assert 0.2 < (expected == 0).float().mean() < 0.4
    kept = expected != 0
    assert torch.allclose(expected[kept], whole[kept] / 0.7)
    parts = [(0, 0), (37, 70), (64, 128)]
    images = torch.cat([whole[:, :, r : r + 90, c : c + 70] for r, c in parts])
    before = images.clone()
    draw.origins, draw.shape = (
        [(r * stride, c * stride) for r, c in parts],
        (90 * stride, 70 * stride),
    )
    for found, (r, c) in zip(dropout(images), parts, strict=True):
        assert torch.equal(found, expected[0, :, r : r + 90, c : c + 70])
    assert torch.equal(images, before)


def test_a_field_is_laid_row_by_row_from_the_origin():
    numbers = torch.arange(PERIOD * PERIOD).reshape(PERIOD, PERIOD, 1).float()
    planes = torch.zeros(1, 100, 3)
    laid = torch.cat([field for _rows, field in over_planes(numbers, planes, (60, 63))], 1)
    rows = (60 + torch.arange(100)) % PERIOD
    cols = (63 + torch.arange(3)) % PERIOD
    assert torch.equal(laid[0], (rows[:, None] * PERIOD + cols).float())
