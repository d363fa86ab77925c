"""Losses against values by hand, against torch, and blind to pixels without label."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812

from georaster_dl.core.errors import OptionError
from georaster_dl.training.loop.losses import (
    LOSSES,
    REGRESSION_LOSSES,
    build_loss,
    build_regression_loss,
    class_weights_of,
)


def one(name, **settings):
    return build_loss([name], [1.0], **({"class_weights": None} | settings))


def drawn(seed=0, shape=(2, 4, 5, 6), unlabelled=0.3):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator) * 3
    target = torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)
    target[torch.rand(target.shape, generator=generator) < unlabelled] = -1
    return logits.requires_grad_(), target


def certain(target, n_classes, confidence=200.0):
    """Logits of a network that is sure of ``target``."""
    return F.one_hot(target, n_classes).movedim(-1, 1).float() * confidence


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 2.0, 7.0])])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs(weights, smoothing):
    logits, target = drawn()
    loss = one("cross-entropy", class_weights=weights, label_smoothing=smoothing)
    expected = F.cross_entropy(
        logits, target, weight=weights, label_smoothing=smoothing, ignore_index=-1
    )
    torch.testing.assert_close(loss(logits, target), expected)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 2.0, 7.0])])
def test_focal_without_focus_is_cross_entropy(weights):
    logits, target = drawn()
    focal = one("focal", class_weights=weights, focal_gamma=0.0)
    plain = one("cross-entropy", class_weights=weights)
    torch.testing.assert_close(focal(logits, target), plain(logits, target))


def test_focal_by_hand():
    # Probabilities 0.9 and 0.6 of the right class.
    logits = torch.tensor([[[[0.9, 0.4]], [[0.1, 0.6]]]]).log()
    target = torch.tensor([[[0, 1]]])
    expected = (0.1**2 * -math.log(0.9) + 0.4**2 * -math.log(0.6)) / 2
    assert one("focal")(logits, target).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 2.0, 7.0])])
def test_gce_with_q_near_0_is_cross_entropy(weights):
    logits, target = drawn()
    gce, plain = (
        one("gce", class_weights=weights, gce_q=1e-6),
        one("cross-entropy", class_weights=weights),
    )
    torch.testing.assert_close(gce(logits, target), plain(logits, target), rtol=0, atol=1e-4)


def test_gce_by_hand():
    logits = torch.tensor([[[[0.9, 0.4]], [[0.1, 0.6]]]]).log()
    target = torch.tensor([[[0, 1]]])
    expected = ((1 - 0.9**0.7) / 0.7 + (1 - 0.6**0.7) / 0.7) / 2
    assert one("gce")(logits, target).item() == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3))
def test_gce_with_q_1_has_a_gradient_of_at_most_1_however_wrong_a_label_seems(scores):
    logits = torch.tensor(scores)[None, :, None, None].requires_grad_()
    one("gce", gce_q=1.0)(logits, torch.zeros((1, 1, 1), dtype=torch.int64)).backward()
    assert logits.grad.abs().sum() <= 1


def test_dice_by_hand_counts_only_classes_that_are_there():
    # Three classes, two in the labels: p = .8 .1 .1 and .3 .5 .2.
    logits = torch.tensor([[0.8, 0.3], [0.1, 0.5], [0.1, 0.2]]).log()[None, :, None]
    target = torch.tensor([[[0, 1]]])
    expected = ((1 - 2 * 0.8 / (1.1 + 1)) + (1 - 2 * 0.5 / (0.6 + 1))) / 2
    assert one("dice")(logits, target).item() == pytest.approx(expected, rel=1e-5)


def test_lovasz_by_hand():
    # Jaccard losses of the growing set of worst pixels, times the errors' steps. Class 0: the other
    # class's pixel (error .4) costs 1/2, its own (.2) the other half. Class 1: its own pixel (.4)
    # costs all.
    logits = torch.tensor([[0.8, 0.4], [0.2, 0.6]]).log()[None, :, None]
    target = torch.tensor([[[0, 1]]])
    assert one("lovasz")(logits, target).item() == pytest.approx((0.3 + 0.4) / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["dice", "lovasz"])
def test_perfect_is_0_and_worst_is_1(name):
    target = torch.tensor([[[0, 0, 1, 1, 1, -1]]])
    right, wrong = certain(target.clamp_min(0), 3), certain((target.clamp_min(0) + 1) % 2, 3)
    assert one(name)(right, target).item() == pytest.approx(0, abs=1e-6)
    assert one(name)(wrong, target).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 2**31), unlabelled=st.floats(0, 0.9))
def test_unlabelled_pixels_have_no_part(name, seed, unlabelled):
    logits, target = drawn(seed, shape=(2, 3, 3, 4), unlabelled=unlabelled)
    loss = one(name, focal_gamma=0.5)(logits, target)
    loss.backward()
    ignored = (target < 0)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert logits.grad.isfinite().all()
    with torch.no_grad():
        other = torch.where(ignored, torch.nan, logits)
        assert one(name, focal_gamma=0.5)(other, target) == loss


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_labels_costs_nothing(name):
    logits, target = drawn(unlabelled=1.1)
    loss = one(name, class_weights=torch.ones(4))(logits, target)
    loss.backward()
    assert loss.shape == ()
    assert loss == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_gradients_are_finite_where_the_network_is_sure_or_knows_nothing(name, scale):
    logits, target = drawn(unlabelled=0)
    logits = (logits.detach() * scale).requires_grad_()
    one(name, focal_gamma=0.5)(logits, target).backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_summed_in_float32(name):
    logits, target = drawn(shape=(1, 3, 64, 64))
    coarse = logits.detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        loss = one(name)(coarse, target)
    assert loss.dtype == torch.float32
    assert loss == one(name)(coarse.float(), target)


def test_losses_are_added_with_their_weights():
    logits, target = drawn()
    both = build_loss(["dice", "cross-entropy"], [2.0, 0.5], class_weights=None)
    expected = 2 * one("dice")(logits, target) + 0.5 * one("cross-entropy")(logits, target)
    torch.testing.assert_close(both(logits, target), expected)


def test_class_weights_follow_the_device_but_are_not_saved():
    loss = one("focal", class_weights=torch.ones(4, dtype=torch.float64))
    assert loss.to("meta").class_weights.device.type == "meta"
    assert loss.state_dict() == {}


@pytest.mark.parametrize(
    ("names", "weights", "settings", "message"),
    [
        (["focul"], [1], {}, "did you mean 'focal'"),
        ([], [], {}, "no name"),
        (["dice"], [1, 2], {}, "2 weights"),
        (["dice", "dice"], [1, 2], {}, "different names"),
        (["dice"], [0], {}, "weights of losses must be positive, but got 0"),
        (["focal"], [1], {"focal_gamma": -1}, "gamma must be at least 0"),
        (["focal"], [1], {"label_smoothing": 1}, "smoothing"),
        (["gce"], [1], {"gce_q": 0}, "q of gce must be above 0 and at most 1, but got 0"),
        (["focal"], [1], {"class_weights": torch.tensor([1.0, 0.0])}, "class weights must be"),
    ],
)
def test_what_cannot_be_a_loss_is_refused(names, weights, settings, message):
    with pytest.raises(OptionError, match=message):
        build_loss(names, weights, **({"class_weights": None} | settings))


def test_class_weights_are_median_over_count():
    # Median 100: 100/400, 100/100, 100/25, and 1 over the mean (100 + 100 + 100) / 525.
    weights = class_weights_of(np.array([400, 100, 25, 0]))
    expected = torch.tensor([0.25, 1.0, 4.0]) * 525 / 300
    torch.testing.assert_close(weights[:3], expected)
    assert weights[3] == 1


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=8).filter(any),
    st.floats(1, 100),
)
def test_class_weights_are_bounded_and_1_on_average(counts, cap):
    counts = np.array(counts)
    weights = class_weights_of(counts, cap=cap).double().numpy()
    assert np.average(weights, weights=counts) == pytest.approx(1, rel=1e-5)
    known = weights[counts > 0]
    assert known.max() / known.min() <= cap**2 * (1 + 1e-5)
    order = np.argsort(counts[counts > 0])
    assert (np.diff(known[order]) <= 1e-6 * known.max()).all()


def test_class_weights_of_nothing_are_1():
    assert class_weights_of(np.zeros(3, int)).tolist() == [1, 1, 1]
    with pytest.raises(OptionError, match="at least 1, but got 0.5"):
        class_weights_of(np.ones(3, int), cap=0.5)


@pytest.mark.parametrize(
    ("name", "expected"), [("mse", (9 + 0.25) / 2), ("l1", 3.5 / 2), ("huber", (2.5 + 0.125) / 2)]
)
def test_regression_by_hand(name, expected):
    prediction = torch.tensor([[[[4.0, 1.5, 7.0]]]], requires_grad=True)
    target = torch.tensor([[[1.0, 1.0, torch.nan]]])
    loss = build_regression_loss(name)(prediction, target)
    loss.backward()
    assert loss.item() == pytest.approx(expected)
    assert prediction.grad[..., 2] == 0
    assert prediction.grad.isfinite().all()


@pytest.mark.parametrize("name", REGRESSION_LOSSES)
def test_a_regression_without_labels_costs_nothing(name):
    prediction = torch.ones((2, 1, 3, 3), dtype=torch.bfloat16, requires_grad=True)
    loss = build_regression_loss(name)(prediction, torch.full((2, 3, 3), torch.nan))
    loss.backward()
    assert loss == 0
    assert loss.dtype == torch.float32
    assert (prediction.grad == 0).all()


def test_an_unknown_regression_loss_is_refused():
    with pytest.raises(OptionError, match="use mse, l1, huber"):
        build_regression_loss("cross-entropy")
