"""Places of single pixels, found window by window."""

import numpy as np

from georaster_dl.tiling.pixels import PixelPlaces


def test_every_pixel_is_in_one_window():
    rng = np.random.default_rng(0)
    row = np.sort(rng.integers(0, 30, 50))
    places = PixelPlaces(row, rng.integers(0, 40, 50))
    windows = [(slice(r, r + 10), slice(c, c + 16)) for r in range(0, 30, 10) for c in (0, 16, 32)]
    found = [places.within(*window) for window in windows]
    assert sorted(np.concatenate(found).tolist()) == list(range(50))
    whole = np.zeros((30, 40), bool)
    whole[places.row, places.col] = True
    for rows, cols in windows[:-1]:
        part = whole[rows, cols]
        assert np.array_equal(places.mask(rows, cols)[:, : part.shape[1]], part)
