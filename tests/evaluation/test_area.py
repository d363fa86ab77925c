"""Area-adjusted estimates against the published examples and a direct reading of the formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.evaluation.metrics.area import Z_95, estimate_areas, sample_size

COUNTS_2014 = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
AREAS_2014 = np.array([200_000, 150_000, 3_200_000, 6_450_000])
COUNTS_2013 = np.array([[97, 0, 3], [3, 279, 18], [2, 1, 97]])
AREAS_2013 = np.array([22353, 1122543, 610228])
HECTARES = 0.09


def direct(counts, areas):
    """Every estimate, cell by cell as the paper prints its equations."""
    q = len(areas)
    total = sum(areas)
    n = [sum(row) for row in counts]
    w = [a / total for a in areas]
    p = [[w[i] * counts[i][j] / n[i] for j in range(q)] for i in range(q)]
    column = [sum(p[i][j] for i in range(q)) for j in range(q)]
    users = [p[i][i] / sum(p[i]) for i in range(q)]
    producers = [p[j][j] / column[j] for j in range(q)]
    found = {
        "overall": sum(p[j][j] for j in range(q)),
        "users": users,
        "producers": producers,
        "areas": [total * c for c in column],
        "overall_se": math.sqrt(
            sum(w[i] ** 2 * users[i] * (1 - users[i]) / (n[i] - 1) for i in range(q))
        ),
        "users_se": [math.sqrt(users[i] * (1 - users[i]) / (n[i] - 1)) for i in range(q)],
        "shares_se": [
            math.sqrt(sum(max(w[i] * p[i][k] - p[i][k] ** 2, 0) / (n[i] - 1) for i in range(q)))
            for k in range(q)
        ],
        "producers_se": [],
    }
    for j in range(q):
        amount = sum(areas[i] * counts[i][j] / n[i] for i in range(q))
        own = areas[j] ** 2 * (1 - producers[j]) ** 2 * users[j] * (1 - users[j]) / (n[j] - 1)
        others = 0.0
        for i in range(q):
            if i != j:
                share = counts[i][j] / n[i]
                others += areas[i] ** 2 * share * (1 - share) / (n[i] - 1)
        found["producers_se"].append(math.sqrt(own + producers[j] ** 2 * others) / amount)
    return found


def assert_direct(counts, areas):
    estimate = estimate_areas(counts, areas)
    for name, expected in direct(counts.tolist(), areas.tolist()).items():
        assert np.allclose(getattr(estimate, name), expected, rtol=1e-9, atol=1e-8), name


@pytest.mark.parametrize(
    ("counts", "areas"), [(COUNTS_2014, AREAS_2014), (COUNTS_2013, AREAS_2013)]
)
def test_published_examples_equal_the_printed_equations(counts, areas):
    assert_direct(counts, areas)


@given(st.data())
def test_any_sample_equals_the_printed_equations(data):
    q = data.draw(st.integers(2, 5))
    cell = st.integers(0, 40)
    counts = np.array(
        data.draw(st.lists(st.lists(cell, min_size=q, max_size=q), min_size=q, max_size=q))
    )
    counts += 2 * np.eye(q, dtype=int)
    areas = np.array(data.draw(st.lists(st.integers(1, 10**9), min_size=q, max_size=q)))
    assert_direct(counts, areas)


def test_olofsson_2014_as_printed():
    e = estimate_areas(COUNTS_2014, AREAS_2014)
    assert e.overall == pytest.approx(0.946512, abs=5e-7)
    assert e.overall_se == pytest.approx(0.009430, abs=5e-7)
    assert np.allclose(e.cells[0], [0.0176, 0, 0.001333, 0.001067], atol=5e-7)
    assert np.allclose(e.cells[3], [0.003969, 0.001985, 0.017862, 0.621185], atol=5e-7)
    assert np.allclose(e.shares, [0.023509, 0.012985, 0.317522, 0.645985], atol=5e-7)
    assert np.allclose(e.shares_se, [0.003491, 0.002129, 0.008792, 0.009230], atol=5e-7)
    assert np.allclose(e.users, [0.88, 0.7333, 0.9273, 0.9631], atol=5e-5)
    assert np.allclose(e.users_se, [0.03778, 0.05141, 0.02028, 0.01048], atol=5e-6)
    assert np.allclose(e.producers, [0.748661, 0.847156, 0.934509, 0.961609], atol=5e-7)
    assert np.allclose(e.producers_se, [0.10883, 0.12980, 0.01751, 0.00937], atol=5e-6)
    assert np.allclose(e.areas, [235_086, 129_846, 3_175_221, 6_459_846], atol=1)
    assert np.allclose(HECTARES * e.areas, [21_158, 11_686, 285_770, 581_386], atol=0.5)
    assert np.allclose(e.areas_se, 10_000_000 * e.shares_se)
    plus_minus = HECTARES * Z_95 * e.areas_se
    assert np.allclose(plus_minus, [6_158, 3_756, 15_510, 16_282], atol=0.5)
    assert e.quantity_disagreement == pytest.approx(0.004493, abs=5e-7)
    assert e.allocation_disagreement == pytest.approx(0.048995, abs=5e-7)


def test_olofsson_2013_as_printed():
    e = estimate_areas(COUNTS_2013, AREAS_2013)
    assert e.overall == pytest.approx(0.944417, abs=5e-7)
    assert Z_95 * e.overall_se == pytest.approx(0.0219, abs=5e-5)
    assert np.allclose(e.users, [0.97, 0.93, 0.97])
    assert np.allclose(e.producers, [0.4806, 0.9942, 0.8969], atol=5e-5)
    assert np.allclose(e.areas, [45_112, 1_050_067, 659_944], atol=0.5)
    assert np.allclose(Z_95 * e.areas_se, [21_073, 34_598, 36_526], atol=0.5)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    generator = np.random.default_rng(0)
    areas = np.array([1000, 3000, 6000])
    given_class = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.02, 0.08, 0.9]])
    shares = areas @ given_class / areas.sum()
    overall = areas @ given_class.diagonal() / areas.sum()
    held = []
    for _ in range(400):
        counts = generator.multinomial([60, 100, 150], given_class)
        e = estimate_areas(counts, areas)
        held.append(
            [
                abs(e.overall - overall) < Z_95 * e.overall_se,
                *(np.abs(e.shares - shares) < Z_95 * e.shares_se),
            ]
        )
    # 95 % of 400 has a deviation of 1.1 %.
    assert (np.abs(np.mean(held, axis=0) - 0.95) < 0.04).all()


def test_areas_are_free_of_their_unit():
    metres, hectares = (estimate_areas(COUNTS_2014, AREAS_2014 * unit) for unit in (900, 0.09))
    assert np.allclose(metres.producers_se, hectares.producers_se)
    assert np.allclose(metres.areas, hectares.areas * 10_000)


def test_a_mapped_class_without_samples_leaves_the_whole_unknown():
    counts = COUNTS_2013.copy()
    counts[0] = 0
    e = estimate_areas(counts, AREAS_2013)
    assert np.isnan(e.users[0])
    assert np.allclose(e.users[1:], [0.93, 0.97])
    assert np.isnan(e.overall)
    assert np.isnan(e.shares).all()


def test_one_sample_gives_an_accuracy_without_a_standard_error():
    counts = COUNTS_2013.copy()
    counts[0] = [1, 0, 0]
    e = estimate_areas(counts, AREAS_2013)
    assert e.users[0] == 1
    assert np.isnan(e.users_se[0])
    assert np.isfinite(e.users_se[1:]).all()
    assert np.isfinite(e.overall)
    assert np.isnan(e.overall_se)


def test_a_class_the_reference_lacks_has_no_producers_accuracy():
    counts = np.array([[40, 10, 0], [5, 45, 0], [30, 20, 0]])
    e = estimate_areas(counts, [5.0, 3.0, 2.0])
    assert np.isnan(e.producers[2])
    assert e.users[2] == e.areas[2] == 0
    assert np.isfinite(e.producers[:2]).all()
    assert e.overall == pytest.approx(0.5 * 0.8 + 0.3 * 0.9)


def test_a_class_only_the_reference_has_is_estimated_too():
    counts = np.array([[40, 0, 10], [5, 45, 0], [0, 0, 0]])
    e = estimate_areas(counts, [6.0, 4.0, 0.0])
    assert np.isnan(e.users[2])
    assert e.producers[2] == 0
    assert e.areas[2] == pytest.approx(6 * 0.2)
    assert e.areas.sum() == pytest.approx(10)
    assert np.isfinite(e.overall_se)


def test_sample_size_of_the_paper():
    weights = AREAS_2014 / AREAS_2014.sum()
    assert sample_size(weights, (0.7, 0.6, 0.9, 0.95), 0.01) == 641
    assert sample_size(weights, (1, 1, 1, 1), 0.01) == 0


@pytest.mark.parametrize(("accuracy", "error"), [(0.8, 0), (0.8, -1), (1.2, 0.01), (0.8, math.nan)])
def test_impossible_sample_sizes_are_refused(accuracy, error):
    with pytest.raises(OptionError):
        sample_size([1.0], [accuracy], error)


@pytest.mark.parametrize("areas", [[1, 2], [0, 0, 0], [1, -1, 3]])
def test_impossible_areas_are_refused(areas):
    with pytest.raises(OptionError, match="Areas of the map's classes"):
        estimate_areas(COUNTS_2013, areas)
