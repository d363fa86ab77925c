"""Shifts between the files of a scene."""

import numpy as np
import pytest
from rasterio.transform import from_origin
from scipy import ndimage

from georaster_dl.io.scenes.checks.registration import file_shifts, registration_warnings
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.testing import write_raster


def roofs(seed=0, side=400):
    """Random blocks, (side, side)."""
    random = np.random.default_rng(seed)
    cells = random.random((side // 16, side // 16)) * (
        random.random((side // 16, side // 16)) > 0.5
    )
    return np.kron(cells, np.ones((16, 16)))


def scene_of(folder, image, heights, *, moved=(0.0, 0.0), step=2):
    """Write a scene of 1 m pixels, and heights of coarser ones that are moved by rows and cols of the scene."""
    place = from_origin(500_000, 5_000_000, 1, 1)
    one = write_raster(
        folder / "ortho.tif", image[None].astype("float32"), bands=("red",), transform=place
    )
    shifted = ndimage.shift(heights, moved, order=1, mode="nearest")
    coarse = (
        shifted.reshape(len(heights) // step, step, -1, step).mean(axis=(1, 3)).astype("float32")
    )
    coarse[:20, :20] = np.nan
    place = from_origin(500_000, 5_000_000, step, step)
    other = write_raster(
        folder / "height.tif", coarse[None], bands=("ndsm",), transform=place, nodata=np.nan
    )
    return open_scene([one, other])


@pytest.mark.parametrize("moved", [(0, 0), (3, -4), (-2.5, 0)])
def test_the_shift_of_a_file_with_other_values_is_found_and_warned_of(tmp_path, moved):
    image = roofs()
    seen = np.where(image > 0, 1 - image, 0.3) + np.random.default_rng(1).normal(
        0, 0.05, image.shape
    )
    scene = scene_of(tmp_path, seen, 9 * image, moved=moved)
    [found] = file_shifts(scene)
    assert (found.rows, found.cols) == pytest.approx(moved, abs=0.35)
    warnings = list(registration_warnings(scene))
    if moved == (0, 0):
        assert warnings == []
    else:
        assert "height.tif against" in warnings[0]
        assert f"{found.pixels:.1f} pixels off" in warnings[0]


def test_files_without_common_texture_have_no_known_shift(tmp_path):
    """The hole that both have is no common texture."""
    noise = np.random.default_rng(2).normal(size=(2, 400, 400))
    image, heights = (ndimage.gaussian_filter(noise, (0, 3, 3)) > 0.05).astype(float)
    [found] = file_shifts(scene_of(tmp_path, image, heights))
    assert found.pixels is None
    assert str(found).endswith("shift unknown, too little texture in common")


def test_a_single_file_has_no_shift(make_tif):
    assert file_shifts(open_scene(make_tif(np.ones((2, 64, 64), "uint8")))) == []
