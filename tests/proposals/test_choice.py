"""Choice of candidates: uncertain, spread, apart, and the same with the same seed."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from georaster_dl.core.errors import OptionError
from georaster_dl.proposals.choice import choose


@pytest.fixture
def groups():
    """Five groups of 40 candidates, alike within and unlike between, with equal scores."""
    rng = np.random.default_rng(0)
    centres = 100 * np.eye(5)
    return (np.repeat(centres, 40, axis=0) + rng.normal(0, 0.1, (200, 5))).astype(np.float32)


def test_the_first_is_the_best():
    scores = np.random.default_rng(1).random(50)
    assert choose(scores, np.random.default_rng(2).random((50, 3)), 5)[0] == scores.argmax()


@pytest.mark.parametrize("seed", range(5))
def test_of_equal_scores_each_group_gives_one(groups, seed):
    chosen = choose(np.full(200, 0.5), groups, 5, seed=seed)
    assert sorted(chosen // 40) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("score", [0.0, 0.7])
def test_equal_scores_give_the_same_choice_whatever_they_are(groups, score):
    same = choose(np.full(200, 0.3), groups, 12)
    assert choose(np.full(200, score), groups, 12).tolist() == same.tolist()


def test_only_the_best_are_candidates(groups):
    scores = np.where(np.arange(200) < 60, 0.9, 0.1)  # twice as many as 10 times 3
    assert choose(scores, groups, 3).max() < 60


def test_all_are_chosen_once_also_where_they_are_alike_and_near():
    chosen = choose(np.zeros(30), np.ones((30, 2)), 30, places=np.zeros((30, 2)), distance=5)
    assert sorted(chosen) == list(range(30))


def test_the_chosen_are_apart_in_place():
    rows, cols = np.divmod(np.arange(400), 20)
    places = np.stack([rows, cols], axis=1).astype(float)
    scores = np.random.default_rng(0).random(400)
    chosen = choose(scores, scores[:, None], 9, places=places, distance=5)
    assert pdist(places[chosen]).min() >= 5
    assert pdist(places[choose(scores, scores[:, None], 9)]).min() < 5


def test_a_choice_is_that_of_its_seed(groups):
    scores = np.random.default_rng(0).random(200)
    ones = [choose(scores, groups, 20, seed=seed).tolist() for seed in (0, 0, 1)]
    assert ones[0] == ones[1] != ones[2]


def test_features_count_by_their_deviation():
    """A feature of large numbers does not hide one of small numbers that tells the groups apart."""
    rng = np.random.default_rng(0)
    telling = np.repeat([0.0, 1.0, 2.0], 30)
    features = np.stack([telling * 1e-3, rng.normal(0, 1e-3, 90) * 1e6], axis=1)
    scaled = features / [1e-3, 1e3]
    assert choose(np.ones(90), features, 6).tolist() == choose(np.ones(90), scaled, 6).tolist()


@pytest.mark.parametrize(("n", "there"), [(4, "3 candidates"), (0, "3 candidates")])
def test_more_than_there_are_is_refused(n, there):
    with pytest.raises(OptionError, match=rf"`n={n}`.*{there}.*1 to 3"):
        choose(np.ones(3), np.ones((3, 1)), n)
