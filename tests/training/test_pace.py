"""How fast and how long a network learns: course of the rate, its end, average of the weights."""

import pytest
import torch

from georaster_dl.training.pace.average import RunningAverage
from georaster_dl.training.pace.course import Course, fall_of
from georaster_dl.training.settings.config import TrainingSection
from georaster_dl.training.train import train


def test_the_rate_rises_stays_level_and_falls_to_nothing_with_the_last_epoch():
    course = Course(TrainingSection(epochs=40), "score")
    shares = [course.share(done) for done in (0.0, 0.5, 1.0, 20.0, 32.0, 36.0, 40.0)]
    assert shares == [0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0]


def test_a_single_epoch_has_a_rise_and_a_fall():
    course = Course(TrainingSection(epochs=1), "score")
    assert [course.share(done) for done in (0.0, 1.0)] == [0.0, 0.0]
    assert course.share(0.15) == pytest.approx(0.85)


@pytest.mark.parametrize("before", [1, 7, 20, 60])
def test_the_fall_is_a_fifth_of_all_epochs(before):
    fall = fall_of(before, before=True)
    assert fall / (before + fall) == pytest.approx(0.2, abs=0.5 / before)


def test_the_average_is_the_published_one():
    """Growing share of TensorFlow's ExponentialMovingAverage(num_updates)."""
    layer = torch.nn.BatchNorm2d(1)
    average = RunningAverage()
    averaged = torch.optim.swa_utils.AveragedModel(layer, use_buffers=True, **average._kwargs)
    expected = 0.0
    for step in range(40):
        with torch.no_grad():
            layer.weight.fill_(step)
            layer.running_mean.fill_(step)
            layer.num_batches_tracked.fill_(step)
        averaged.update_parameters(layer)
        decay = 0.0 if step == 0 else min(0.998, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    for tensor in (averaged.module.weight, averaged.module.running_mean):
        assert tensor.item() == pytest.approx(expected, rel=1e-6)
    assert int(averaged.module.num_batches_tracked) == 39


@pytest.mark.slow
def test_time_ends_a_training_with_a_fall(pair, settings, tmp_path):
    settings = settings.updated({"training.minutes": 1e-4, "training.epochs": 50})
    trained = train([pair], tmp_path / "model.safetensors", settings)
    assert [entry["learning_rate"] > 5e-3 for entry in trained.history] == [True, False]


@pytest.mark.slow
def test_the_packaged_weights_are_averages(pair, settings, tmp_path):
    train([pair], tmp_path / "model.safetensors", settings.updated({"training.epochs": 1}))
    last = torch.load(tmp_path / "model_run/checkpoints/last.ckpt", weights_only=True)
    best = torch.load(tmp_path / "model_run/checkpoints/best.ckpt", weights_only=True)
    name = "network.segmentation_head.0.weight"
    assert torch.equal(best["state_dict"][name], last["state_dict"][name])
    assert not torch.equal(last["state_dict"][name], last["current_model_state"][name])
