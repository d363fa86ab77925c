"""The sample is uniform, bounded, and does not depend on the pieces in which items come."""

import numpy as np
import pytest

from georaster_dl.pixels.inputs.sample import Sample


def drawn(items, most, cuts, seed=0):
    sample = Sample(most, seed)
    for piece in np.split(items, cuts):
        sample.add(piece, piece * 2)
    assert sample.seen == len(items)
    return sample.columns()


@pytest.mark.parametrize("cuts", [[], [1, 2, 500], list(range(50, 1000, 50)), [0, 0, 999]])
def test_the_pieces_do_not_matter(cuts):
    items = np.arange(1000)
    found, doubled = drawn(items, 100, cuts)
    np.testing.assert_array_equal(found, drawn(items, 100, [])[0])
    np.testing.assert_array_equal(doubled, found * 2)
    assert len(set(found.tolist())) == 100


def test_all_items_where_they_are_few():
    assert sorted(drawn(np.arange(50), 100, [7])[0]) == list(range(50))


def test_every_item_has_the_same_chance():
    counts = np.zeros(20)
    for seed in range(2000):
        counts[drawn(np.arange(20), 5, [4, 13], seed)[0]] += 1
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500 * 0.75)


def test_nothing_offered_is_no_column():
    assert Sample(10, 0).columns() == ()
