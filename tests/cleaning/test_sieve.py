"""Small areas join their neighbours, whatever the blocks."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from georaster_dl.cleaning.sieve import sieve
from georaster_dl.io.blocks import strips
from georaster_dl.tiling.areas import find_areas

NODATA = 255
maps = arrays(
    np.uint8,
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    elements=st.sampled_from([1, 2, 7, NODATA]),
)


def areas_of(pixels):
    """Size of the area of each pixel, by an independent labelling of each class."""
    sizes = np.zeros(pixels.shape, int)
    for value in np.unique(pixels):
        labels, _n = scipy.ndimage.label(pixels == value)
        counts = np.bincount(labels.ravel())
        sizes = np.where(labels > 0, counts[labels], sizes)
    return sizes


@settings(max_examples=30, deadline=None)
@given(maps, st.integers(1, 14))
def test_areas_are_those_of_an_independent_labelling_for_any_strips(pixels, strip_rows):
    cut = list(strips(pixels.shape, strip_rows * pixels.shape[1]))
    areas = find_areas(pixels.__getitem__, cut)
    found = np.concatenate([areas.sizes[ids] for _rows, ids in areas.numbers()])
    assert np.array_equal(found, areas_of(pixels))
    numbers = np.concatenate([ids for _rows, ids in areas.numbers()]).ravel()
    assert np.array_equal(numbers[areas.first], np.arange(len(areas)))


@settings(max_examples=30, deadline=None)
@given(maps, st.integers(2, 12), st.integers(1, 14))
def test_no_small_area_stays_but_islands_and_strips_do_not_matter(pixels, least, strip_rows):
    one, other = pixels.copy(), pixels.copy()
    sieve(one, least, NODATA)
    sieve(other, least, NODATA, strip_pixels=strip_rows * pixels.shape[1])
    assert np.array_equal(one, other)
    assert np.array_equal(one == NODATA, pixels == NODATA)
    islands, _n = scipy.ndimage.label(pixels != NODATA)
    whole = np.bincount(islands.ravel())[islands]
    small = (areas_of(one) < least) & (one != NODATA)
    assert (areas_of(one)[small] == whole[small]).all()
    large = (areas_of(pixels) >= least) & (pixels != NODATA)
    assert np.array_equal(one[large], pixels[large])


def test_an_area_joins_the_class_of_its_longest_border():
    pixels = np.array([[1, 1, 1, 2], [1, 3, 2, 2], [1, 2, 2, 2], [1, 1, 2, 2]], np.uint8)
    assert sieve(pixels, 2, NODATA) == 1
    assert pixels[1, 1] == 1  # two edges with each: the first class
    pixels[1, 1], pixels[0, 1] = 3, 2
    sieve(pixels, 2, NODATA)
    assert pixels[1, 1] == 2


def test_the_smallest_go_first_and_what_they_join_may_then_stay():
    pixels = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 2, 2, 3, 1], [1, 1, 1, 1, 1, 1]], np.uint8)
    pixels[0, 4] = pixels[2, 4] = pixels[1, 5] = NODATA
    sieve(pixels, 3, NODATA)
    assert (pixels[1, 2:5] == 2).all()


def test_rows_whose_pixels_are_larger_reach_the_size_with_fewer():
    pixels = np.ones((9, 5), np.uint8)
    pixels[1, 1:3] = pixels[7, 1:3] = 2
    weights = np.array([1, 1, 1, 1, 1, 5, 5, 5, 5])
    sieve(pixels, 6, NODATA, weights)
    assert (pixels[1] == 1).all()
    assert (pixels[7, 1:3] == 2).all()


@pytest.mark.slow
def test_noise_without_any_large_area_ends():
    pixels = np.indices((600, 600)).sum(axis=0).astype(np.uint8) % 2
    sieve(pixels, 25, NODATA)
    assert areas_of(pixels).min() >= 25
