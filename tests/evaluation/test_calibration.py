"""Temperature scaling finds the temperature that the logits were made with."""

import numpy as np
import pytest

from georaster_dl.evaluation.metrics.calibration import calibration_error, fit_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_overconfidence_is_undone(temperature):
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, (40_000, 5))
    shares = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    target = (rng.random((len(shares), 1)) > shares.cumsum(axis=1)).sum(axis=1)
    logits = honest * temperature
    assert fit_temperature(logits, target) == pytest.approx(temperature, rel=0.05)
    assert calibration_error(logits, target, temperature) < 0.01
    if temperature != 1:
        assert calibration_error(logits, target, 1.0) > 0.05


def test_certain_and_right_is_calibrated():
    logits = np.eye(3)[[0, 1, 2]] * 100
    assert calibration_error(logits, np.array([0, 1, 2]), 1.0) == pytest.approx(0, abs=1e-9)
    assert calibration_error(logits, np.array([1, 2, 0]), 1.0) == pytest.approx(1, abs=1e-9)


def test_a_worked_example():
    """Two pixels at 0.73 of which one is right: a gap of 0.23."""
    logits = np.array([[1.0, 0.0], [1.0, 0.0]])
    confidence = 1 / (1 + np.exp(-1))
    assert calibration_error(logits, np.array([0, 1]), 1.0) == pytest.approx(confidence - 0.5)
