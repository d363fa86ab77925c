"""Real scenes unlike a model's training are told with the reason; ordinary ones pass in silence.

The statistics are of chips of the world without snow, the scenes of places that are none of them.
"""

import csv

import numpy as np
import pytest
import rasterio

from georaster_dl.core.bands import SENTINEL2
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.models.novelty.fit import fit_novelty
from georaster_dl.models.package.card import Card
from georaster_dl.predict.matching.scene_match import match_scene
from georaster_dl.predict.matching.scene_novelty import scene_novelty
from georaster_dl.predict.prepare import open_input
from georaster_dl.testing import write_scene
from tests.conftest import REAL_DATA
from tests.networks import S2_NAMES, optional_card

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

CHIPS = REAL_DATA / "s2_world" / "chips"
# Vegetation, savanna, steppe, farmland and water of four continents.
ORDINARY = (
    "karoo",
    "zimbabwe",
    "tunisia",
    "kazakhstan",
    "new_south_wales",
    "shanxi",
    "arnhem_land",
)
SNOW = ("lena_delta", "russia_snow", "barbellino")
CALIBRATED = {"scale": 1e-4, "nodata": 0}


@pytest.fixture(scope="module")
def card():
    """Card of a model whose limits are of each seventh of the chips it does not hold out."""
    with (CHIPS.parent / "chips.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file)]
    names = [name for name in names if not name.startswith(ORDINARY + SNOW)]
    pixels = [pixels_of(name) for name in names]
    aside = [each for i, each in enumerate(pixels) if i % 7 == 0]
    training = [each for i, each in enumerate(pixels) if i % 7 != 0]
    described = optional_card(
        novelty=fit_novelty(S2_NAMES, training, aside), resolution_m=(10.0, 60.0)
    )
    assert Card.from_json(described.to_json()) == described
    return described


def pixels_of(name):
    with rasterio.open(CHIPS / name) as dataset:
        numbers, names = dataset.read(), dataset.descriptions
    numbers = numbers[:, numbers[0] > 0][:, ::29]
    pixels = np.full((numbers.shape[1], len(S2_NAMES)), np.nan)
    for band, values in zip(names, numbers, strict=True):
        if band in S2_NAMES:
            pixels[:, S2_NAMES.index(band)] = values * 1e-4
    return pixels


def judged(card, path, **options):
    scene = open_input(str(path), SceneOptions(**options))
    return scene_novelty(match_scene(scene, card))


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_place_is_passed_in_silence(card, name):
    found = judged(card, CHIPS / f"{name}_L2A.tif")
    assert found.reason is None
    assert found.share < 0.1


# Steppe that is 0.1 brighter is still possible ground.
@pytest.mark.parametrize("name", [name for name in ORDINARY if name != "kazakhstan"])
def test_an_offset_left_in_is_named(card, name):
    left_in = judged(card, CHIPS / f"{name}_L2A.tif", offset=0.1, **CALIBRATED)
    assert "brighter by about 0.1" in left_in.reason
    twice = judged(card, CHIPS / f"{name}_L2A.tif", offset=-0.1, **CALIBRATED)
    assert "darker by about 0.1" in twice.reason


@pytest.mark.parametrize("name", ["lena_delta", "russia_snow"])
def test_snow_is_named_for_a_model_without_snow(card, name):
    found = judged(card, CHIPS / f"{name}_L2A.tif")
    assert found.share > 0.25
    assert found.reason.endswith("snow or ice, which this model has no class for")


def test_a_scale_left_out_is_named(card):
    found = judged(card, CHIPS / "tunisia_L2A.tif", scale=1e-3, nodata=0)
    assert "about 10 times those of training" in found.reason


@pytest.mark.parametrize("kelvin", [True, False])
def test_thermal_bands_named_as_optical_are_told(card, tmp_path, kelvin):
    with rasterio.open(CHIPS / "tunisia_L2A.tif") as dataset:
        numbers, names = dataset.read().astype(np.float32) * 1e-4, dataset.descriptions
    warm = 300 + 8 * (numbers[names.index("B12")] - 0.2)
    for band in ("B11", "B12"):
        numbers[names.index(band)] = warm if kelvin else warm / 1000
    scene = write_scene(tmp_path / "s.tif", numbers, bands=names, scale=None)
    found = judged(card, scene, scale=1.0)
    assert found.share > 0.5
    assert "B12" in found.reason


def test_an_orthophoto_taken_for_reflectance_is_told(card, tmp_path):
    folder = REAL_DATA / "lidar_ign" / "ortho"
    with rasterio.open(folder / "test_data_irc.tif") as dataset:
        numbers = dataset.read()
    # Near infrared, red and green, as if they were pixels of 10 m.
    scene = write_scene(tmp_path / "s.tif", numbers, bands=("B08", "B04", "B03"), scale=None)
    found = judged(card, scene, scale=1 / 255)
    assert found.reason is not None
    assert found.share > 0.25


def test_names_are_those_of_sentinel2():
    assert set(S2_NAMES) < {band.name for band in SENTINEL2}
