"""Dated rasters made in the test's own folder."""

import numpy as np
import pytest

from georaster_dl.testing import write_raster

SHAPE = (20, 30)


@pytest.fixture
def make_dates(tmp_path):
    """Write rasters of names whose pixels all have one value, in a folder; returns the folder."""

    def make(values, *, bands=("B04", "B08"), shape=SHAPE, folder="stack", **more):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name, value in values.items():
            array = np.full((len(bands) or 1, *shape), value, "uint16")
            write_raster(tmp_path / folder / name, array, bands=bands, **more)
        return tmp_path / folder

    return make
