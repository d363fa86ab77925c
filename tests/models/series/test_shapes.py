"""Shapes of parcels as numbers."""

import numpy as np

from georaster_dl.models.zoo.series.shapes import SHAPE_NAMES, parcel_shapes


def test_a_rectangle_and_a_triangle():
    perimeter, area = np.array([600.0, 341.4]), np.array([20_000.0, 5_000.0])
    shapes = parcel_shapes(perimeter, area, np.array([20_000.0, 10_000.0]), np.array([200, 50]))
    assert shapes.dtype == np.float32
    assert shapes.shape == (2, len(SHAPE_NAMES))
    np.testing.assert_allclose(shapes[0], [np.log(600), np.log(200), 1, 0.03], rtol=1e-5)
    np.testing.assert_allclose(shapes[1], [np.log(341.4), np.log(50), 0.5, 0.06828], rtol=1e-5)


def test_a_parcel_without_extent_or_pixels_is_finite():
    nothing = np.zeros(1)
    assert np.isfinite(parcel_shapes(nothing, nothing, nothing, nothing)).all()
