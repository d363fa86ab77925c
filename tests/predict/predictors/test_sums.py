"""Entropies, mutual information and variances have the values that follow from their definitions."""

import math

import pytest
import torch

from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.values import Target
from georaster_dl.predict.outputs.kinds import CLASS_MEASURES
from georaster_dl.predict.predictors.sums import ClassSums, ValueSums, class_measures

LN2 = math.log(2)


def measures(*passes, temperature=1.0):
    """Measures of one pixel, by name, of the probabilities of each pass."""
    sums = ClassSums()
    for shares in passes:
        logits = torch.tensor(shares).clamp(min=1e-30).log()[None, :, None, None]
        sums.add(logits, Calibration(temperature=temperature))
    planes = sums.planes()[0]
    return dict(zip(CLASS_MEASURES, class_measures(planes)[:, 0, 0].tolist(), strict=True))


def test_two_opposite_certain_passes_are_all_knowledge_that_is_missing():
    found = measures([1.0, 0.0], [0.0, 1.0])
    assert found == pytest.approx(
        {
            "predictive entropy": 1.0,  # ln 2 over ln 2
            "expected entropy": 0.0,
            "mutual information": 1.0,
            "variance": 0.5,
            "confidence": 0.5,
        },
        abs=1e-6,
    )


def test_uniform_passes_are_all_noise():
    found = measures([0.5, 0.5], [0.5, 0.5])
    assert found["predictive entropy"] == found["expected entropy"] == pytest.approx(1.0)
    assert found["mutual information"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("passes", [1, 7])
def test_identical_passes_have_nothing_to_learn(passes):
    found = measures(*[[0.7, 0.2, 0.1]] * passes)
    entropy = -sum(p * math.log(p) for p in (0.7, 0.2, 0.1)) / math.log(3)
    assert found["predictive entropy"] == pytest.approx(entropy, abs=1e-6)
    assert found["expected entropy"] == pytest.approx(entropy, abs=1e-6)
    assert found["mutual information"] == pytest.approx(0.0, abs=1e-6)
    assert found["variance"] == pytest.approx(0.0, abs=1e-6)
    assert found["confidence"] == pytest.approx(0.7)


def test_measures_of_random_passes_keep_their_order_and_equal_their_definitions():
    logits = torch.randn(9, 2, 5, 6, 7, generator=torch.Generator().manual_seed(0)) * 4
    sums = ClassSums()
    for one in logits:
        before = one.clone()
        sums.add(one, Calibration(temperature=1.7))
        assert torch.equal(one, before)
    p = torch.softmax(logits.double() / 1.7, 2)
    mean = p.mean(0)
    for image in range(2):
        total, expected, information, variance, confidence = class_measures(sums.planes()[image])
        assert (information >= 0).all()
        assert (information <= total).all()
        assert (total <= 1).all()
        entropy = torch.special.entr(mean[image]).sum(0) / math.log(5)
        aleatoric = torch.special.entr(p[:, image]).sum(1).mean(0) / math.log(5)
        for found, defined in (
            (total, entropy),
            (expected, aleatoric),
            (information, entropy - aleatoric),
            (variance, p[:, image].var(0, correction=0).sum(0)),
            (confidence, mean[image].amax(0)),
        ):
            assert torch.allclose(found.double(), defined, atol=2e-6)


def test_a_certain_network_of_one_class_gives_finite_measures():
    assert measures([1.0]) == pytest.approx(
        dict.fromkeys(CLASS_MEASURES[:4], 0.0) | {"confidence": 1.0}, abs=1e-6
    )


def test_values_have_the_variance_of_their_passes_and_of_the_spread_within_them():
    target = Target("height", "m", mean=1000.0, std=10.0)
    passes = torch.randn(8, 1, 1, 4, 5, generator=torch.Generator().manual_seed(1))
    sums = ValueSums([(1000.0, 10.0)], [target])
    with_spread = ValueSums([(1000.0, 10.0), (0.0, 10.0)], [target])
    for one in passes:
        sums.add(one, Calibration())
        with_spread.add(torch.cat([one, torch.full_like(one, 0.3)], 1), Calibration())
    values = passes.double() * 10 + 1000
    mean, variance = sums.planes()[0]
    assert torch.allclose(mean.double(), values.mean(0)[0, 0], rtol=1e-6)
    assert torch.allclose(variance.double(), values.var(0, correction=0)[0, 0], rtol=1e-4)
    assert torch.allclose(with_spread.planes()[0, 1], variance + 9, rtol=1e-4)
