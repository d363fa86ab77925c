"""A scene that does not fit is refused before a pixel is read, with both sides listed."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from georaster_dl.core.errors import BandMismatchError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.models.package.values import InputBand
from georaster_dl.predict.matching.scene_match import match_scene, resolution_warning
from tests.cards import card
from tests.networks import S2_NAMES, optional_card

PHYSICAL = {"scales": [1e-4] * 3, "offsets": [-0.1] * 3}


def test_bands_come_in_the_models_order(make_tif):
    path = make_tif(np.ones((3, 5, 5), "uint16"), descriptions=["B04", "B02", "B03"], **PHYSICAL)
    described = card(bands=("B02", "B03", "B04"))
    match = match_scene(open_scene(path), described)
    assert [plane.index for plane in match.scene.planes] == [2, 3, 1]
    assert (match.card, match.absent) == (described, ())


def test_a_missing_band_lists_both_sides(make_tif):
    path = make_tif(np.ones((3, 5, 5), "uint16"), descriptions=["B04", "B02", "B08"], **PHYSICAL)
    with pytest.raises(
        BandMismatchError, match=r"misses B03 \(560 nm\).*B08 \(833 nm\).*needs 3 bands: B02"
    ):
        match_scene(open_scene(path), card())


def test_uncalibrated_numbers_are_never_guessed(make_tif):
    path = make_tif(np.ones((3, 5, 5), "uint16"), descriptions=["B02", "B03", "B04"])
    with pytest.raises(BandMismatchError, match="without scale and offset.*`scale=`"):
        match_scene(open_scene(path), card())
    match_scene(open_scene(path, SceneOptions(scale=1e-4)), card())
    match_scene(open_scene(path), card(quantity="digital numbers"))


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
        match_scene(open_scene(path), card())
    else:
        with pytest.raises(BandMismatchError, match="trained on 10 m"):
            match_scene(open_scene(path), card())


def test_a_model_of_stored_numbers_gets_them_whatever_the_tags_say(make_tif):
    path = make_tif(np.ones((3, 5, 5), "uint16"), descriptions=["B02", "B03", "B04"], **PHYSICAL)
    facts = card(quantity="digital numbers")
    assert {(p.scale, p.offset) for p in match_scene(open_scene(path), facts).scene.planes} == {
        (1.0, 0.0)
    }
    told = open_scene(path, SceneOptions(scale=0.5))
    assert {(p.scale, p.offset) for p in match_scene(told, facts).scene.planes} == {(0.5, 0.0)}


# ---- bands that may be absent


def scene_of(make_tif, *names, **options):
    given = {"scales": [1e-4] * len(names), "offsets": [-0.1] * len(names)} | options
    path = make_tif(np.ones((len(names), 5, 5), "uint16"), descriptions=names, **given)
    return open_scene(path)


def test_absent_bands_are_never_read(make_tif):
    match = match_scene(scene_of(make_tif, "B11", "B10", "B8A", "B04", "B03"), optional_card())
    assert [plane.index for plane in match.scene.planes] == [5, 4, 3, 1]
    assert [band.name for band in match.card.bands] == ["B03", "B04", "B8A", "B11"]
    assert match.absent == ("B01", "B02", "B05", "B06", "B07", "B08", "B09", "B12")
    assert (match.card.required_bands, match.card.optional_bands) == ((), False)


def test_with_all_bands_nothing_is_absent(make_tif):
    match = match_scene(scene_of(make_tif, *S2_NAMES), optional_card())
    assert match.absent == ()
    assert match.card.bands == optional_card().bands


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (("B02", "B03", "B04"), "needs B08 or B8A, but the scene has 3 bands: B02 (492 nm), B03"),
        (("B04", "B08"), "needs B03, but the scene has 2 bands"),
        (("band_1", "VV"), "needs B03 and B04 and B08 or B8A, but"),
    ],
)
def test_a_missing_group_is_named_with_what_there_is(make_tif, names, missing):
    with pytest.raises(BandMismatchError) as raised:
        match_scene(scene_of(make_tif, *names), optional_card())
    assert missing in str(raised.value)
    assert "`bands=`" in str(raised.value)


def test_values_and_resolution_are_asked_for_all_the_same(make_tif):
    names = ("B03", "B04", "B08")
    with pytest.raises(BandMismatchError, match="without scale and offset"):
        match_scene(scene_of(make_tif, *names, scales=None, offsets=None), optional_card())
    coarse = from_origin(500_000, 5_000_000, 30, 30)
    with pytest.raises(BandMismatchError, match="trained on 10 m"):
        match_scene(scene_of(make_tif, *names, transform=coarse), optional_card())


def test_pixels_of_unknown_size_are_told(make_tif):
    names = ["B02", "B03", "B04"]
    described = card().model_copy(update={"resolution_m": (10.0, 60.0)})
    nowhere = make_tif(np.ones((3, 5, 5), "uint16"), descriptions=names, crs=None, **PHYSICAL)
    told = resolution_warning(open_scene(nowhere), described)
    assert "has no CRS, so the size of its pixels is unknown" in told
    assert "trained on 10 to 60 m" in told
    crs = (
        'ENGCRS["Site",EDATUM["Site"],CS[Cartesian,2],AXIS["x",east,LENGTHUNIT["unknown",1]],'
        'AXIS["y",north,LENGTHUNIT["unknown",1]]]'
    )
    odd = replace(open_scene(nowhere), geobox=GeoBox((5, 5), Affine.identity(), crs))
    assert "a CRS of unknown unit (Site)" in resolution_warning(odd, described)
    placed = make_tif(np.ones((3, 5, 5), "uint16"), "b.tif", descriptions=names, **PHYSICAL)
    assert resolution_warning(open_scene(placed), described) is None
    anywhere = described.model_copy(update={"resolution_m": None})
    assert resolution_warning(open_scene(nowhere), anywhere) is None


@pytest.mark.parametrize(
    ("step", "start", "named"), [(20, 480.0, True), (20, 600.0, False), (200, 400.0, False)]
)
def test_another_spectrometer_is_resampled(make_tif, step, start, named):
    """The cure is named where the scene measures all over the model's wavelengths, with many bands."""
    bands = [InputBand(name=f"{w} nm", wavelength_nm=w, mean=0, std=1) for w in range(500, 900, 5)]
    own = np.arange(start, 1000.0, step)
    path = make_tif(np.ones((len(own), 5, 5), "float32"))
    with rasterio.open(path, "r+") as dataset:
        for i, wavelength in enumerate(own, 1):
            dataset.update_tags(i, wavelength=str(wavelength), wavelength_units="nm")
    spectral = card().model_copy(update={"bands": tuple(bands)})
    with pytest.raises(BandMismatchError) as error:
        match_scene(open_scene(path), spectral)
    assert ("`resample=True`" in str(error.value)) == named
    assert len(str(error.value)) < 400
