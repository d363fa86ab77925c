"""Factories of maps and references."""

import pytest

from georaster_dl.testing import write_labels
from tests.maps import NAMES, write_vector


@pytest.fixture
def make_map(tmp_path):
    """Factory of class maps; without names where ``names`` is None."""

    def make(array, name="map.tif", *, names=NAMES, **profile):
        return write_labels(tmp_path / name, array, names=names, **profile)

    return make


@pytest.fixture
def make_vector(tmp_path):
    """Factory of GeoPackages."""

    def make(geometries, fields, name="labels.gpkg", crs="EPSG:32631"):
        return write_vector(tmp_path / name, geometries, fields, crs)

    return make
