"""Forgetting of a network that goes on learning: reconstruction of old and new scenes, before and after."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date

import numpy as np
import torch
from torch import nn

from georaster_dl.io.output.statistics import BandStatistics
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import find_model, read_card
from georaster_dl.models.runtime.device import Device
from georaster_dl.tiling.split_blocks import VALIDATION
from georaster_dl.training.data.datasets import EvaluationPatches, Float
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.result.measure import output_of

__all__ = ["forgetting", "ground_scores", "lineage"]

_MOST, _DRAWS = 256, 32  # patches of each ground, samples at least
_FALLEN = 0.01  # of R2

Sample = tuple[Float, Float]


def ground_scores(
    data: TrainingData, network: nn.Module | None, device: Device
) -> dict[str, float]:
    """Measure the R2 of the reconstruction on old patches (those that judge) and on new (the validation part).

    Measured as ``reconstruction_metrics`` does: from disturbed input, 1 - SSE / SST over all bands, each about its own
    mean; where squares are hidden of the pixels in them.

    Returns
    -------
    R2 by ``old ground`` and ``new ground``, without one that does not vary; nothing where nothing is rehearsed.
    """
    if data.rehearsed is None or network is None:
        return {}
    network = network.eval().to(device.torch_device)
    new = EvaluationPatches(data, VALIDATION, most=_MOST, noise_draws=_DRAWS)
    samples = {
        "old ground": _old_samples(data),
        "new ground": (new[number] for number in range(len(new))),
    }
    scores = {name: _r2(each, len(data.bands), network, device) for name, each in samples.items()}
    return {name: round(score, 4) for name, score in scores.items() if score is not None}


def forgetting(
    before: Mapping[str, float],
    network: nn.Module | None,
    data: TrainingData,
    device: Device,
    warn: Callable[[str], None],
) -> dict[str, float]:
    """Measure the trained network as before, name the figures for the card, and warn where R2 of old patches fell by 0.01.

    Parameters
    ----------
    before : of ``ground_scores``; nothing is measured where there are none.
    """
    if not before:
        return {}
    after, old = ground_scores(data, network, device), "old ground"
    if old in before and before[old] - after[old] > _FALLEN:
        warn(
            f"the reconstruction of old ground fell: R2 {before[old]:.3f} before, {after[old]:.3f} now; keep the model "
            f"before, or train with a lower training.learning_rate, fewer epochs or more like scenes"
        )
    figures = {"before": before, "after": after}
    return {
        f"R2 of {ground}, {when}": scores[ground]
        for ground in before
        for when, scores in figures.items()
    }


def lineage(data: TrainingData) -> dict[str, str]:
    """Describe the generation of a model that rehearses, and the model before it, for the card."""
    if data.rehearsed is None:
        return {}
    base = read_card(find_model(data.config.start.weights))
    number = _generation(base)
    scenes = base.training.get("scenes", "unknown scenes")
    return {
        "lineage": f"generation {number + 1}, {date.today().isoformat()}; generation {number} was {base.name}, "
        f"sha256 {base.weights_sha256}, of {scenes}"
    }


def _generation(card: Card) -> int:
    """Read the generation of a model; 1 where it has no lineage."""
    found = re.match(r"generation (\d+)", card.training.get("lineage", ""))
    return int(found[1]) if found else 1


def _old_samples(data: TrainingData) -> Iterator[Sample]:
    """Make input and target of the patches that judge, each time with the same noise."""
    assert data.rehearsed is not None
    assert data.input_noise is not None
    numbers = data.rehearsed.judging[:_MOST]
    for draw, number in enumerate(numbers * -(-_DRAWS // len(numbers))):
        image, valid = data.rehearsed.read(number)
        rng = np.random.default_rng([data.config.seed, draw])
        yield data.input_noise.sample(rng, data.scaling.apply(image, valid), valid)


@torch.inference_mode()
def _r2(samples: Iterator[Sample], bands: int, network: nn.Module, device: Device) -> float | None:
    """Compute R2 over samples of normalised input and target; None where the target does not vary."""
    truth, errors = BandStatistics(bands), 0.0
    for given, target in samples:
        # The plane behind the bands says what is hidden.
        learnt = given[bands] > 0 if len(given) > bands else True
        wanted = np.where(learnt, target, np.float32(np.nan))
        truth.add(wanted)
        error = (output_of(network, given, device) - wanted).astype(np.float64)
        errors += float(np.nansum(error**2))
    total = float(truth.squares.sum())
    return 1 - errors / total if total else None
