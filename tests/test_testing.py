"""The helpers that tests of other packages may use."""

import subprocess
import sys

import numpy as np
import rasterio

from georaster_dl.models.package.file import load_model
from georaster_dl.predict.options import Outputs
from georaster_dl.predict.segment import segment
from georaster_dl.testing import (
    BANDS,
    checkered,
    noise,
    write_labels,
    write_model,
    write_raster,
    write_scene,
)
from tests.maps import read_bands


def test_a_scene_and_a_model_make_a_map_of_all_classes(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise())
    model = write_model(tmp_path / "model.safetensors", n_classes=3)
    assert load_model(model)[0].bands[0].name == BANDS[0]
    segment(scene, model, Outputs(tmp_path / "map.tif"))
    assert set(np.unique(read_bands(tmp_path / "map.tif"))) == {1, 2, 3, 255}


def test_rasters_hold_what_they_are_given(tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    mask = np.ones((3, 4), bool)
    mask[0, 0] = False
    path = write_raster(
        tmp_path / "a.tif", array, bands=("x", "y"), scale=(0.5, 2), offset=1, mask=mask
    )
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), array)
        np.testing.assert_array_equal(dataset.read_masks(1) > 0, mask)
        assert dataset.descriptions == ("x", "y")
        assert (dataset.scales, dataset.offsets) == ((0.5, 2), (1, 1))
    labels = write_labels(tmp_path / "l.tif", checkered()[0].astype(np.uint8), names={0: "a"})
    assert read_bands(labels).max() == 2


def test_importing_it_needs_no_pytest_and_no_torch():
    code = "import sys, georaster_dl.testing; assert not {'pytest', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
