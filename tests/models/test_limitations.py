"""Warnings of a map: classes that did badly in the model's own test, and places far from its own."""

import pytest
from odc.geo.geobox import GeoBox

from georaster_dl.core.geography import centre_of
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.limitations import distance_km, far_warning, poor_classes_warning
from tests.cards import card

FIGURES = {
    "mIoU, test": 0.1,
    "IoU bare, test": 0.0,
    "IoU bare soil, test": 0.9,
    "IoU water, test": 0.3,
    "F1 built-up, Slovenia": 0.353,
    "F1 built-up, Tokyo": 0.673,
}


def test_classes_of_the_map_that_did_badly():
    told = poor_classes_warning("toy", FIGURES, ["bare", "bare soil", "water", "built-up"])
    assert "at bare (IoU 0.00, test), built-up (F1 0.35, Slovenia):" in told
    assert poor_classes_warning("toy", FIGURES, ["bare soil", "water", "unknown"]) is None


def test_many_poor_classes_are_counted():
    figures = {f"IoU c{i}, test": 0.1 for i in range(10)}
    assert "and 4 more:" in poor_classes_warning("toy", figures, [f"c{i}" for i in range(10)])


def test_distances():
    assert distance_km([(0, 0), (90, 0)], (0, 1)) == pytest.approx(111.2, abs=0.1)
    assert distance_km([(179.5, 0)], (-179.5, 0)) == pytest.approx(111.2, abs=0.1)
    assert "is 1,112 km from" in far_warning("toy", [(0, 0)], (0, 10))
    assert far_warning("toy", [(0, 0)], (0, 4)) is None
    assert far_warning("toy", [], (0, 4)) is None
    assert far_warning("toy", [(0, 0)], None) is None


def test_where_a_raster_lies():
    utm = GeoBox.from_bbox((499_000, 5_000_000, 501_000, 5_002_000), "EPSG:32631", shape=(20, 20))
    assert centre_of(utm) == pytest.approx((3.0, 45.16), abs=0.01)
    east = GeoBox.from_bbox((179, -10, 183, -6), "EPSG:4326", shape=(4, 4))
    assert centre_of(east) == pytest.approx((-179, -8))
    assert centre_of(GeoBox((4, 4), utm.affine, None)) is None
    drone = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    assert centre_of(GeoBox((4, 4), utm.affine, drone)) is None


def test_places_travel_in_the_card():
    placed = card(places=((3.5, 45.0), (-179.9, -16.5)))
    assert Card.from_json(placed.to_json()) == placed
    assert Card.from_json(card().to_json()).places == ()
