"""A scene that does not fit is refused before a pixel is read, with both sides listed."""

import numpy as np
import pytest
from rasterio.transform import from_origin

from georaster_dl.errors import BandMismatchError
from georaster_dl.io.options import SceneOptions
from georaster_dl.io.reader import open_scene
from georaster_dl.predict.fit import fit_scene
from tests.cards import card

PHYSICAL = {"scales": [1e-4] * 3, "offsets": [-0.1] * 3}


def test_bands_come_in_the_models_order(make_tif):
    path = make_tif(np.ones((3, 5, 5), "uint16"), descriptions=["B04", "B02", "B03"], **PHYSICAL)
    fitted = fit_scene(open_scene(path), card(bands=("B02", "B03", "B04")))
    assert [plane.index for plane in fitted.planes] == [2, 3, 1]


def test_a_missing_band_lists_both_sides(make_tif):
    path = make_tif(np.ones((3, 5, 5), "uint16"), descriptions=["B04", "B02", "B08"], **PHYSICAL)
    with pytest.raises(
        BandMismatchError, match=r"misses B03 \(560 nm\).*B08 \(833 nm\).*needs 3 bands: B02"
    ):
        fit_scene(open_scene(path), card())


def test_uncalibrated_numbers_are_never_guessed(make_tif):
    path = make_tif(np.ones((3, 5, 5), "uint16"), descriptions=["B02", "B03", "B04"])
    with pytest.raises(BandMismatchError, match="without scale and offset.*--scale"):
        fit_scene(open_scene(path), card())
    fit_scene(open_scene(path, SceneOptions(scale=1e-4)), card())
    fit_scene(open_scene(path), card(quantity="digital numbers"))


@pytest.mark.parametrize(
    ("pixel", "fits"), [(10, True), (10.9, True), (9.1, True), (12, False), (8, False)]
)
def test_resolution_within_ten_percent(make_tif, pixel, fits):
    transform = from_origin(500_000, 5_000_000, pixel, pixel)
    path = make_tif(
        np.ones((3, 5, 5), "uint16"),
        descriptions=["B02", "B03", "B04"],
        transform=transform,
        **PHYSICAL,
    )
    if fits:
        fit_scene(open_scene(path), card())
    else:
        with pytest.raises(BandMismatchError, match="trained on 10 m"):
            fit_scene(open_scene(path), card())


def test_a_model_of_stored_numbers_gets_them_whatever_the_tags_say(make_tif):
    path = make_tif(np.ones((3, 5, 5), "uint16"), descriptions=["B02", "B03", "B04"], **PHYSICAL)
    facts = card(quantity="digital numbers")
    assert {(p.scale, p.offset) for p in fit_scene(open_scene(path), facts).planes} == {(1.0, 0.0)}
    told = open_scene(path, SceneOptions(scale=0.5))
    assert {(p.scale, p.offset) for p in fit_scene(told, facts).planes} == {(0.5, 0.0)}
