"""The bundled model is taken for Sentinel-2's scenes; for others it is said what would fit."""

from pathlib import Path

import numpy as np
import pytest
from rasterio.transform import from_origin

from georaster_dl.core.errors import BandMismatchError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.models.package import file as package
from georaster_dl.models.package.file import network_of, save_model
from georaster_dl.predict.matching.default_model import choose_model
from tests.cards import card
from tests.networks import save_optional

CUBE = Path(__file__).parents[2] / "sample_tiles" / "hyperspectral.img"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """A folder of bundled models: that of Sentinel-2, and one of three bands."""
    folder = tmp_path_factory.mktemp("bundled")
    save_optional(folder / "s2-landcover.safetensors", resolution_m=(10, 30))
    rgb = card(bands=("B02", "B03", "B04"), name="rgb", resolution_m=(10, 30))
    save_model(folder / "rgb.safetensors", rgb, network_of(rgb))
    return folder


@pytest.fixture(autouse=True)
def _bundled(bundled, monkeypatch):
    monkeypatch.setattr(package, "_BUILTIN", bundled)


@pytest.fixture
def scene(make_tif):
    def make(*names, options=None, **given):
        n = len(names)
        given = {"scales": [1e-4] * n, "offsets": [0.0] * n, "descriptions": names} | given
        return open_scene(make_tif(np.ones((n, 5, 5), "uint16"), **given), options)

    return make


def test_sentinel2_is_recognised_by_its_names(scene, bundled):
    assert (
        choose_model(scene("B03", "b04", "B8A", "B10"))[0] == bundled / "s2-landcover.safetensors"
    )


@pytest.mark.parametrize(
    ("names", "given", "words"),
    [
        (("B02", "B03", "B04"), {}, "needs B08 or B8A"),
        (("B03", "B04", "B08"), {"scales": None, "offsets": None}, "without scale and offset"),
        (("B03", "B04", "B08"), {"transform": from_origin(0, 0, 60, 60)}, "trained on 10 to 30 m"),
    ],
)
def test_why_a_scene_of_sentinel2_does_not_fit(scene, names, given, words):
    """The error is that of the model: no other model is offered as if this were another sensor."""
    with pytest.raises(BandMismatchError, match=words) as raised:
        choose_model(scene(*names, **given))
    assert "-m" not in str(raised.value)


def test_a_hyperspectral_cube_is_not_taken_by_its_wavelengths():
    with pytest.raises(BandMismatchError) as raised:
        choose_model(open_scene(CUBE))
    said = str(raised.value)
    assert "none is named, is for bands with Sentinel-2's names" in said.partition(". ")[0]
    assert "it fits rgb, s2-landcover: name that with `model=`" in said
    assert "train one (`train()`)" in said


def test_one_band_by_wavelength_alone_is_one_too_many(scene):
    names = ("B03", "B04", "B08", "swir")
    options = SceneOptions(bands=names)
    named = scene(*names, options=options)
    choose_model(named)  # without a wavelength it is no band of the model
    planes = [p for p in open_scene(CUBE).planes if abs(p.band.wavelength_nm - 1614) < 12]
    assert planes
    mixed = type(named)(named.name, (*named.planes[:3], planes[0]), named.geobox)
    with pytest.raises(BandMismatchError, match="is for bands with Sentinel-2's names"):
        choose_model(mixed)


def test_nothing_fits(scene):
    with pytest.raises(BandMismatchError, match=r"No bundled model fits: train one"):
        choose_model(scene("VV", "VH"))


def test_without_the_model_the_reason_is_that(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(package, "_BUILTIN", tmp_path)
    with pytest.raises(
        BandMismatchError, match="s2-landcover, .*, is not among the bundled models"
    ):
        choose_model(scene("B03", "B04", "B08"))
