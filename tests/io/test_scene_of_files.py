"""Scenes of several files: modalities, units and sizes of their bands."""

import numpy as np
import rasterio
from rasterio.transform import from_origin

from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.testing import write_raster


def ortho(folder, name="ortho.tif"):
    values = np.random.default_rng(1).integers(1, 250, (3, 40, 60)).astype("uint8")
    return write_raster(folder / name, values, bands=("red", "green", "blue"))


def heights(folder, name="height.tif", *, side=20.0, bands=("band", "ndsm"), **more):
    """Two bands of four times the ortho's pixels, over the same ground."""
    values = np.random.default_rng(2).random((len(bands), 20, 30), np.float32) * 9
    place = from_origin(500_000, 5_000_000, side, side)
    path = write_raster(folder / name, values, bands=bands, **{"transform": place} | more)
    with rasterio.open(path, "r+") as dataset:
        dataset.units = ("m",) * dataset.count
    return path


def test_bands_state_modality_unit_and_own_size(tmp_path):
    with rasterio.open(heights(tmp_path), "r+") as dataset:
        dataset.update_tags(2, modality="terrain")
    scene = open_scene([ortho(tmp_path), tmp_path / "height.tif"])
    told = [(band.modality, band.unit, band.gsd_m) for band in scene.bands]
    assert told == [("optical", "", 10.0)] * 3 + [("", "m", 20.0), ("terrain", "m", 20.0)]


def test_a_new_name_tells_the_modality_and_keeps_unit_and_size(tmp_path):
    named = open_scene(heights(tmp_path), SceneOptions(bands=("dtm", "slope"))).bands
    told = [(band.modality, band.unit, band.gsd_m) for band in named]
    assert told == [("lidar", "m", 20.0), ("terrain", "m", 20.0)]
