"""The confusion matrix and its scores."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_cohen_kappa,
    multiclass_f1_score,
    multiclass_jaccard_index,
)

from georaster_dl.core.errors import OptionError
from georaster_dl.evaluation.metrics.confusion import Confusion

NAMES = ("a", "b", "c", "d")


@st.composite
def matrices(draw):
    n = draw(st.integers(1, 5))
    counts = draw(st.lists(st.integers(0, 10**12), min_size=n * n, max_size=n * n))
    return Confusion(tuple("abcde"[:n]), np.array(counts, np.int64).reshape(n, n))


@given(matrices())
def test_laws_of_every_matrix(c):
    if not c.total:
        assert np.isnan([c.overall_accuracy, c.mean_iou, c.kappa, c.quantity_disagreement]).all()
        return
    error = c.quantity_disagreement + c.allocation_disagreement
    assert error == pytest.approx(1 - c.overall_accuracy, abs=1e-9)
    for scores in (c.users, c.producers, c.f1, c.iou):
        known = scores[np.isfinite(scores)]
        assert ((known >= 0) & (known <= 1)).all()
    tested = c.referenced > 0
    assert np.array_equal(np.isfinite(c.iou), tested)
    assert np.array_equal(np.isfinite(c.f1), tested)
    assert np.allclose(c.f1[tested], 2 * c.iou[tested] / (1 + c.iou[tested]))
    assert (c.iou[tested] <= c.f1[tested] + 1e-12).all()
    turned = Confusion(c.names, c.counts.T)
    assert np.array_equal(turned.users, c.producers, equal_nan=True)


@given(st.integers(0, 2**32))
def test_scores_are_those_of_torchmetrics(seed):
    generator = np.random.default_rng(seed)
    true = generator.integers(0, 4, 300)
    mapped = np.where(generator.random(300) < 0.6, true, generator.integers(0, 4, 300))
    c = Confusion.of(mapped, true, NAMES)
    pair = torch.from_numpy(mapped), torch.from_numpy(true)

    def each(metric):
        return metric(*pair, num_classes=4, average="none").numpy()

    assert np.allclose(c.iou, each(multiclass_jaccard_index), atol=1e-6)
    assert np.allclose(c.f1, each(multiclass_f1_score), atol=1e-6)
    assert np.allclose(c.producers, each(multiclass_accuracy), atol=1e-6)
    micro = multiclass_accuracy(*pair, num_classes=4, average="micro")
    assert c.overall_accuracy == pytest.approx(float(micro), abs=1e-6)
    assert c.kappa == pytest.approx(float(multiclass_cohen_kappa(*pair, num_classes=4)), abs=1e-5)


def test_rows_are_the_map_and_columns_the_reference():
    c = Confusion.of(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), ("x", "y"))
    assert c.counts.tolist() == [[1, 2], [0, 1]]
    assert c.users.tolist() == [1 / 3, 1]
    assert c.producers.tolist() == [1, 1 / 3]


def test_nodata_and_unlabelled_pixels_do_not_count():
    c = Confusion.of(np.array([[-1, 0], [1, 1]]), np.array([[0, -1], [-1, 0]]), ("x", "y"))
    assert c.counts.tolist() == [[0, 0], [1, 0]]


@given(st.integers(0, 2**32), st.integers(0, 200))
def test_parts_add_up_to_the_whole(seed, cut):
    generator = np.random.default_rng(seed)
    mapped, true = generator.integers(-1, 4, (2, 200)).astype(np.int16)
    parts = Confusion.of(mapped[:cut], true[:cut], NAMES) + Confusion.of(
        mapped[cut:], true[cut:], NAMES
    )
    assert np.array_equal(parts.counts, Confusion.of(mapped, true, NAMES).counts)


def test_the_mean_iou_is_that_of_the_classes_that_the_reference_has():
    counts = np.array([[8, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    c = Confusion(NAMES, counts)
    assert np.array_equal(c.iou, [8 / 11, 0, np.nan, np.nan], equal_nan=True)
    assert c.mean_iou == pytest.approx(4 / 11)
    assert c.users[2] == 0  # what is falsely mapped so is seen there
    assert np.isnan(c.users[1])
    assert np.isnan(c.producers[2])


def test_kappa_of_one_class_says_nothing():
    c = Confusion(("x", "y"), np.array([[5, 0], [0, 0]]))
    assert c.overall_accuracy == 1
    assert np.isnan(c.kappa)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Confusion.of(np.zeros(3, int), np.zeros(4, int), NAMES),
        lambda: Confusion.of(np.array([4]), np.array([0]), NAMES),
        lambda: Confusion(NAMES, np.zeros((3, 4), np.int64)),
        lambda: Confusion.empty(NAMES) + Confusion.empty(("x",)),
    ],
)
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(OptionError):
        wrong()
