"""Factories of maps and references."""

import pytest

from tests.maps import NAMES, NODATA, named, write_vector


@pytest.fixture
def make_map(make_tif):
    """Factory of class maps; without names where ``names`` is None."""

    def make(array, name="map.tif", *, names=NAMES, **profile):
        path = make_tif(array, name, nodata=NODATA, **profile)
        return named(path, names) if names else path

    return make


@pytest.fixture
def make_vector(tmp_path):
    """Factory of GeoPackages."""

    def make(geometries, fields, name="labels.gpkg", crs="EPSG:32631"):
        return write_vector(tmp_path / name, geometries, fields, crs)

    return make
