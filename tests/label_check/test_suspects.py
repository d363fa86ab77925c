"""Confident learning against loops by hand, and on labels that are known to be wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.label_check.out_of_fold import group_folds
from georaster_dl.label_check.suspects import find_suspects
from georaster_dl.label_check.tables import check_rows


def by_hand(probabilities, labels):
    """Northcutt et al. 2021, equation 1, as loops: off the diagonal of the confident joint, and not predicted as labelled."""
    classes = range(probabilities.shape[1])
    thresholds = {}
    for j in classes:
        own = [p[j] for p, label in zip(probabilities, labels, strict=True) if label == j]
        if own:
            thresholds[j] = sum(own) / len(own)
    suspects = []
    for p, label in zip(probabilities, labels, strict=True):
        counted = [j for j in classes if j in thresholds and p[j] >= thresholds[j]]
        contradicted = bool(counted) and max(counted, key=lambda j: p[j]) != label
        suspects.append(contradicted and max(classes, key=lambda j: p[j]) != label)
    return suspects


def drawn(seed, n=60, classes=4):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, 0.4), n), rng.integers(0, classes, n)


@given(st.integers(0, 10**6))
def test_items_off_the_diagonal_of_the_confident_joint_are_suspect(seed):
    probabilities, labels = drawn(seed)
    found = find_suspects(probabilities, labels)
    assert found.suspect.tolist() == by_hand(probabilities, labels)
    others = [np.delete(p, label) for p, label in zip(probabilities, labels, strict=True)]
    of_own = probabilities[np.arange(len(labels)), labels]
    np.testing.assert_allclose(found.score, [p.max() for p in others] - of_own)
    assert (found.suggested != labels).all()


def test_a_group_has_the_share_of_its_items_and_unlabelled_ones_have_no_part():
    probabilities = np.array(
        [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.9, 0.1], [0.5, 0.5]]
    )
    labels = [0, 0, 0, 1, 1, -1]
    found = find_suspects(probabilities, labels, [0, 0, 0, 1, 1, 3])
    assert found.share.tolist()[:2] == [1 / 3, 1 / 2]
    assert np.isnan(found.share[2:]).all()
    assert found.items.tolist() == [3, 2, 0, 0]
    assert found.own.tolist() == [0, 1, -1, -1]
    assert found.order.tolist() == [1, 0, 2, 3]


def test_groups_of_many_items_come_before_single_ones_that_are_a_little_more_suspect():
    items = np.array([[0.05, 0.95]] + [[0.08, 0.92]] * 9 + [[0.95, 0.05]] * 9 + [[0.1, 0.9]] * 9)
    groups = np.repeat([0, 1, 2, 3], [1, 9, 9, 9])
    found = find_suspects(items, np.where(groups == 3, 1, 0), groups)
    assert found.suspect.tolist() == [True, True, False, False]
    assert found.score[0] > found.score[1]
    assert found.order.tolist() == [1, 0, 3, 2]


@given(st.integers(0, 10**6))
def test_a_group_is_in_one_fold_and_every_training_side_has_every_class_that_is_judged(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 40, 300)
    labels = rng.integers(0, 3, 40)[groups]
    blocks = rng.integers(0, 9, 40)[groups]
    tested = np.full(40, -1)
    for number, (train, test) in enumerate(group_folds(labels, groups, blocks, 0)):
        assert not set(groups[train]) & set(groups[test])
        assert set(labels[test]) <= set(labels[train])
        assert (tested[groups[test]] != -1).sum() == (tested[groups[test]] == number).sum()
        tested[groups[test]] = number
    several = [
        len(np.unique(groups[labels == labels[groups == g][0]])) > 1 for g in np.unique(groups)
    ]
    assert ((tested[np.unique(groups)] >= 0) == several).all()


def separable(n, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return rng.normal(0, 0.3, (n, 4)) + np.eye(3, 4)[labels] * 3, labels


@pytest.mark.slow
def test_sound_labels_of_separable_classes_are_not_suspect_and_wrong_ones_are_the_first():
    values, labels = separable(240, 0)
    assert check_rows(values, labels).suspect.mean() < 0.02
    wrong = np.arange(0, 240, 10)
    noisy = labels.copy()
    noisy[wrong] = (labels[wrong] + 1) % 3
    found = check_rows(values, noisy)
    assert len(set(found.order[: len(wrong)]) & set(wrong)) >= 0.9 * len(wrong)
    assert (found.suggested[wrong] == labels[wrong]).mean() >= 0.9
    again = check_rows(values, noisy)
    assert (again.score == found.score).all()


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(OptionError, match=r"\(n, classes\)"):
        find_suspects(np.ones(3), [0, 1, 0])
    with pytest.raises(OptionError, match="indexes of the 2 classes"):
        find_suspects(np.ones((2, 2)), [0, 2])
    with pytest.raises(OptionError, match="one label"):
        find_suspects(np.ones((2, 2)), [0, 1], [0, 0])
    with pytest.raises(OptionError, match="two labels each"):
        check_rows(np.ones((3, 2)), [0, 1, -1])
