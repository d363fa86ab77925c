"""The calibration of a card: its limits, and what sets and rejection ask of it."""

import numpy as np
import pytest
import torch

from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.models.package.calibration import QUANTILES, Calibration
from georaster_dl.models.package.card import Card
from georaster_dl.models.runtime.probabilities import class_probabilities

STEPS = tuple(i / (QUANTILES - 1) for i in range(QUANTILES))


def test_levels_are_rounded_up_and_coverage_keeps_at_least_the_share():
    calibration = Calibration(scores=STEPS, confidence=STEPS)
    assert calibration.largest_score(0.9) == 0.9
    assert calibration.largest_score(0.901) == 0.905
    assert calibration.least_confidence(0.9) == 0.1
    assert calibration.least_confidence(0.901) == 0.095


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0, float("nan")])
def test_a_level_is_a_share(level):
    with pytest.raises(OptionError, match="between 0 and 1"):
        Calibration(scores=STEPS).largest_score(level)


def test_a_calibration_without_quantiles_says_how_to_get_some():
    with pytest.raises(OptionError, match="geodl calibrate"):
        Calibration().largest_score(0.9)
    with pytest.raises(OptionError, match="geodl calibrate"):
        Calibration().least_confidence(0.9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scores": STEPS[:-1]},
        {"scores": STEPS[::-1]},
        {"confidence": (*STEPS[:-1], 1.5)},
        {"gain": (1.0, 1.0)},
        {"gain": (1.0, 0.0), "offset": (0.0, 0.0)},
        {"gain": (1.0,) * 2, "offset": (0.0,) * 2},
    ],
)
def test_a_card_refuses_an_odd_calibration(fields, wrong):
    """The card of the fixture has three classes."""
    with pytest.raises(ModelPackageError, match="calibration"):
        Card(**fields(calibration=wrong))


def test_a_card_keeps_a_calibration(fields):
    given = {
        "gain": (1.5, 0.5, 1.0),
        "offset": (-0.25, 0.25, 0.0),
        "scores": STEPS,
        "confidence": STEPS,
    }
    card = Card(**fields(calibration=given, calibrations={"tta": given}))
    assert Card.from_json(card.to_json()) == card
    assert card.calibration.gain == (1.5, 0.5, 1.0)


def test_probabilities_are_of_scaled_logits():
    logits = torch.tensor([[1.0, 2.0], [0.0, 4.0]])[:, :, None]
    plain = class_probabilities(logits, Calibration(temperature=2.0))
    assert torch.equal(plain, torch.softmax(logits / 2.0, dim=0))
    scaled = class_probabilities(logits, Calibration(gain=(2.0, 1.0), offset=(1.0, -1.0)))
    expected = 1 / (1 + np.exp(-(3.0 + 1.0))), 1 / (1 + np.exp(-(5.0 - 3.0)))
    assert scaled[0, :, 0].tolist() == pytest.approx(expected)
    assert torch.equal(class_probabilities(logits[None], Calibration(temperature=2.0))[0], plain)
