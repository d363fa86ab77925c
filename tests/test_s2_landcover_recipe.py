"""The recipe of s2-landcover: what its labels, its loss and its canvases promise."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

RECIPE = Path(__file__).parents[1] / "benchmarks" / "s2_landcover"


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(RECIPE)
    return importlib.import_module("recipe")


@pytest.fixture
def canvases(recipe):
    return importlib.import_module("canvases")


@pytest.fixture
def sets(recipe):
    return importlib.import_module("sets")


def test_a_partial_label_asks_for_the_sum_of_its_classes(recipe, sets):
    torch.manual_seed(0)
    logits = torch.randn(2, len(sets.CLASSES), 3, 3)
    shares = logits.softmax(dim=1)
    label = torch.full((2, 3, 3), sets.TREE | sets.GRASS | sets.CROP)
    label[0, 0, 0] = sets.WATER
    label[1, 2, 2] = 0
    loss = recipe.partial_loss(logits, label)
    assert loss[0, 1, 1].item() == pytest.approx(-shares[0, :3, 1, 1].sum().log().item(), rel=1e-4)
    assert loss[0, 0, 0].item() == pytest.approx(-shares[0, 5, 0, 0].log().item(), rel=1e-4)
    assert loss[1, 2, 2].item() == 0


def test_a_partial_label_of_one_class_is_the_cross_entropy(recipe, sets):
    torch.manual_seed(0)
    logits, classes = torch.randn(1, len(sets.CLASSES), 8, 8), torch.arange(8).repeat(1, 8, 1)
    expected = torch.nn.functional.cross_entropy(logits, classes, reduction="none")
    torch.testing.assert_close(recipe.partial_loss(logits, 1 << classes), expected)


def test_bands_taken_away_leave_what_the_model_needs(canvases, sets):
    rng = np.random.default_rng(0)
    full = np.ones(len(sets.BANDS), bool)
    seen = {tuple(canvases._taken_away(rng, full)) for _ in range(300)}
    assert len(seen) > 50
    for present in seen:
        bands = {name for name, there in zip(sets.BANDS, present, strict=True) if there}
        assert {"B03", "B04"} <= bands
        assert bands & {"B08", "B8A"}


def test_bands_that_a_set_lacks_never_appear(canvases, sets):
    rng = np.random.default_rng(0)
    few = np.array([name in ("B05", "B06", "B8A", "B11") for name in sets.BANDS])
    for _ in range(100):
        present = canvases._taken_away(rng, few)
        assert present.any()
        assert not (present & ~few).any()


def test_canvases_hold_what_the_pieces_hold(canvases, sets):
    """Absent bands are 0, labels come from the pieces, and a canvas's weights sum to 1."""
    rng = np.random.default_rng(0)

    def piece(name, side, bits):
        present = np.array([name == "simulated" or band != "B01" for band in sets.BANDS])
        image = rng.uniform(0.05, 0.4, (len(sets.BANDS), side, side)).astype(np.float32)
        image[~present] = 0
        label = np.full((side, side), bits, np.uint16)
        return sets.Piece(image, present, label, np.ones((side, side), bool))

    sides = {"Ireland": 80, "Slovenia": 40, "Tokyo": 8, "WorldCereal": 32, "simulated": 96}
    parts = {
        name: sets.Parts([piece(name, side, b) for b in (sets.WATER, sets.GREEN)], [], [])
        for name, side in sides.items()
    }
    scaling = canvases.Scaling.of(parts)
    batch = next(iter(canvases.Canvases(parts, scaling, seed=1)))
    assert batch.image.shape == (canvases.BATCH, len(sets.BANDS), 64, 64)
    assert set(batch.label.unique().tolist()) <= {0, sets.WATER, sets.GREEN}
    assert not batch.image[~batch.present].any()
    assert batch.image[batch.present].any(dim=(1, 2)).all()
    torch.testing.assert_close(batch.weight.sum(dim=(1, 2)), torch.ones(canvases.BATCH))
