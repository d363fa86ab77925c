"""Strips and windows cover every pixel once, in the memory that they are given."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.io.blocks import chunks, strips, windows

SIDE = st.integers(1, 60)


@given(SIDE, SIDE, st.integers(0, 20))
def test_chunks_follow_each_other(length, size, start):
    found = list(chunks(start + length, size, start))
    assert [i for chunk in found for i in range(chunk.start, chunk.stop)] == [
        *range(start, start + length)
    ]
    assert all(chunk.stop - chunk.start == size for chunk in found[:-1])


@given(st.tuples(SIDE, SIDE), st.integers(1, 4000), st.tuples(SIDE, SIDE))
def test_windows_cover_every_pixel_once(shape, most, block):
    seen = np.zeros(shape, int)
    for rows, cols in windows(shape, most, block):
        seen[rows, cols] += 1
        pixels = (rows.stop - rows.start) * (cols.stop - cols.start)
        assert pixels <= max(most, block[1])
    assert (seen == 1).all()


@given(st.tuples(SIDE, SIDE), st.integers(1, 4000), SIDE)
def test_strips_are_whole_blocks_where_memory_allows(shape, most, block_rows):
    found = list(strips(shape, most, block_rows))
    height = found[0].stop - found[0].start
    assert height * shape[1] <= max(most, shape[1])
    if len(found) > 1 and block_rows * shape[1] <= most:
        assert height % block_rows == 0
