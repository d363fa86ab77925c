"""Calibration finds the scaling that the logits were made with, also that of means of several passes."""

import numpy as np
import pytest

from georaster_dl.evaluation.metrics.calibration import (
    class_probabilities,
    fit_calibration,
    fit_temperature,
    fit_vector_scaling,
)
from georaster_dl.evaluation.metrics.reliability import measure_reliability
from georaster_dl.models.package.calibration import Calibration

PLAIN = Calibration()


def drawn(probabilities, rng):
    """A class of each pixel, with these probabilities."""
    return (rng.random((len(probabilities), 1)) > probabilities.cumsum(axis=1)).sum(axis=1)


@pytest.fixture(scope="module")
def honest():
    """Logits (n, 1, 5) and classes with just these probabilities."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (40_000, 1, 5))
    return logits, drawn(class_probabilities(logits, PLAIN), rng)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_overconfidence_is_undone(honest, temperature):
    logits, target = honest[0] * temperature, honest[1]
    fitted = fit_calibration(logits, target)
    assert fitted.temperature == pytest.approx(temperature, rel=0.05)
    assert measure_reliability(class_probabilities(logits, fitted), target).ece.value < 0.01
    if temperature != 1:
        assert measure_reliability(class_probabilities(logits, PLAIN), target).ece.value > 0.05


def test_the_temperature_is_the_best_of_all_that_are_tried():
    rng = np.random.default_rng(1)
    logits, target = rng.normal(0, 3, (500, 4, 3)), rng.integers(0, 3, 500)
    target[:300] = logits[:300].mean(axis=1).argmax(axis=1)
    found = fit_temperature(logits, target)

    def loss(temperature):
        p = class_probabilities(logits, Calibration(temperature=temperature))
        return -np.log(p[np.arange(500), target]).mean()

    assert loss(found) == min(loss(t) for t in np.geomspace(0.25, 8, 161))


def test_probabilities_of_passes_are_averaged_after_the_softmax():
    logits = np.array([[[2.0, 0.0], [0.0, 4.0]]])
    shares = [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(2))]
    found = class_probabilities(logits, Calibration(temperature=2.0))
    assert found[0, 0] == pytest.approx(np.mean(shares))


def test_passes_that_agree_are_one_pass(honest):
    logits, target = honest[0][:2000] * 2, honest[1][:2000]
    same = np.repeat(logits, 3, axis=1)
    assert fit_temperature(same, target) == fit_temperature(logits, target)
    one, three = (fit_vector_scaling(each, target) for each in (logits, same))
    assert np.allclose(one, three, atol=1e-2)


def test_vector_scaling_undoes_gains_and_offsets_of_classes(honest):
    gain, offset = np.array([0.5, 1.0, 2.0, 1.0, 1.5]), np.array([1.0, -1.0, 0.0, 0.5, -0.5])
    logits, target = (honest[0] - offset) / gain, honest[1]
    fitted = fit_calibration(logits, target, vector=True)
    assert np.allclose(fitted.gain, gain, atol=0.1)
    assert np.allclose(fitted.offset, offset, atol=0.1)
    assert sum(fitted.offset) == pytest.approx(0, abs=1e-3)
    scaled = measure_reliability(class_probabilities(logits, fitted), target)
    tempered = measure_reliability(
        class_probabilities(logits, fit_calibration(logits, target)), target
    )
    assert scaled.nll.value < tempered.nll.value - 0.05
    assert scaled.accuracy.value > tempered.accuracy.value


def test_the_gradient_of_vector_scaling_is_that_of_its_loss():
    from scipy.optimize import check_grad

    from georaster_dl.evaluation.metrics.calibration import _vector_loss

    rng = np.random.default_rng(2)
    logits, target = rng.normal(0, 2, (50, 4, 3)), rng.integers(0, 3, 50)
    at = np.array([1.0, 0.7, 1.3, 0.2, -0.1, -0.1])
    error = check_grad(
        lambda both: _vector_loss(logits, target, both[:3], both[3:])[0],
        lambda both: _vector_loss(logits, target, both[:3], both[3:])[1],
        at,
    )
    assert error < 1e-6
    p = class_probabilities(logits, Calibration(gain=at[:3], offset=at[3:]))
    expected = -np.log(p[np.arange(50), target]).mean()
    assert _vector_loss(logits, target, at[:3], at[3:])[0] == pytest.approx(expected)


def test_of_no_pixels_nothing_is_learnt():
    assert fit_calibration(np.zeros((0, 1, 3)), np.zeros(0, int)) == PLAIN


def test_a_calibration_has_the_quantiles_of_its_ground(honest):
    logits, target = honest
    fitted = fit_calibration(logits, target)
    confidence = class_probabilities(logits, fitted).max(axis=1)
    assert fitted.pixels == 40_000
    for coverage in (0.8, 0.9, 0.903):
        kept = (confidence >= fitted.least_confidence(coverage)).mean()
        assert coverage <= kept <= coverage + 0.01
