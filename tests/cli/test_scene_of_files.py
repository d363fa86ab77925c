"""Commands on a scene of several files."""

import numpy as np
import pytest
import rasterio
import tomli_w
from rasterio.transform import from_origin

from georaster_dl.core.bands import Band
from georaster_dl.models.package.file import read_card, save_model
from georaster_dl.models.package.values import InputBand
from georaster_dl.testing import noise, random_network, small_card, write_raster
from tests.cli.test_train import TINY

SHAPE = (64, 96)


@pytest.fixture
def files(tmp_path):
    """Write an orthophoto of 10 m, heights of 20 m above the ground, and a model of both."""
    write_raster(tmp_path / "ortho.tif", noise(SHAPE), bands=("red", "green", "blue"))
    heights = np.maximum(np.random.default_rng(0).normal(2, 5, (1, 32, 48)), 0).astype("float32")
    place = from_origin(500_000, 5_000_000, 20, 20)
    for name, above in (("height.tif", 0), ("absolute.tif", 150)):
        path = write_raster(tmp_path / name, heights + above, bands=("ndsm",), transform=place)
        with rasterio.open(path, "r+") as dataset:
            dataset.units = ("m",)
    bands = tuple(
        InputBand.of(Band(name, modality=kind), mean, 50 if mean > 50 else 5)
        for name, kind, mean in (
            *((color, "optical", 100) for color in ("red", "green", "blue")),
            ("ndsm", "lidar", 3),
        )
    )
    facts = {"quantity": "digital numbers", "resolution_m": (10, 20)}
    card = small_card(bands=[band.name for band in bands], **facts)
    saved = card.model_copy(update={"bands": bands})
    save_model(tmp_path / "m.safetensors", saved, random_network(4, len(card.classes)))
    return tmp_path


def test_info_shows_modality_unit_and_size_of_each_band_and_the_shift(geodl, files):
    done = geodl("info", "ortho.tif+height.tif")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert ["1", "red", "optical", "10", "m", "a", "pixel", "uncalibrated", "numbers"] in lines
    assert ["4", "ndsm", "lidar", "m", "20", "m", "a", "pixel"] in lines
    assert "height.tif against ortho.tif: shift unknown" in done.out


def test_a_map_is_named_after_the_first_file_and_has_the_asked_grid(geodl, files):
    done = geodl("segment", "ortho.tif+height.tif", "-m", "m.safetensors", "--quiet")
    assert done.code == 0, done.err
    with rasterio.open("ortho_landcover.tif") as made:
        assert made.shape == SHAPE
    coarse = "segment", "ortho.tif+height.tif", "-m", "m.safetensors", "--grid", "height.tif"
    assert geodl(*coarse, "-o", "coarse.tif", "--quiet").code == 0
    with rasterio.open("coarse.tif") as made:
        assert made.shape == (32, 48)


def test_heights_above_the_sea_are_refused_where_the_model_learnt_those_above_ground(geodl, files):
    done = geodl("segment", "ortho.tif+absolute.tif", "-m", "m.safetensors")
    assert done.code == 1
    assert "a height above sea level" in done.err
    assert "subtract the ground: geodl lidar raster" in done.err


@pytest.mark.slow
def test_a_model_is_trained_on_a_scene_of_files_and_its_card_knows_them(geodl, files):
    write_raster(files / "labels.tif", np.indices(SHAPE)[1] // 16 % 2 + np.uint8(1))
    (files / "tiny.toml").write_text(tomli_w.dumps(TINY))
    given = ["ortho.tif+height.tif", "labels.tif", "--config", "tiny.toml", "--epochs", "1"]
    done = geodl("train", *given, "-o", "t.safetensors", "--quiet")
    assert done.code == 0, done.err
    told = [(b.name, b.modality, b.unit, b.gsd_m) for b in read_card(files / "t.safetensors").bands]
    assert told[0] == ("red", "optical", "", 10.0)
    assert told[3] == ("ndsm", "lidar", "m", 20.0)
