"""Scenes of several files: their grid, and names, modalities, units and sizes of their bands."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from georaster_dl.core.errors import OptionError, SceneError
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
    assert told == [("optical", "", 10.0)] * 3 + [("height", "m", 20.0), ("terrain", "m", 20.0)]


def test_a_new_name_tells_the_modality_and_keeps_unit_and_size(tmp_path):
    named = open_scene(heights(tmp_path), SceneOptions(bands=("dtm", "slope"))).bands
    told = [(band.modality, band.unit, band.gsd_m) for band in named]
    assert told == [("lidar", "m", 20.0), ("terrain", "m", 20.0)]


def test_files_joined_by_plus_are_one_scene_on_the_finest_grid(tmp_path, monkeypatch):
    ortho(tmp_path)
    heights(tmp_path)
    monkeypatch.chdir(tmp_path)
    scene = open_scene("ortho.tif+height.tif")
    assert (scene.shape, scene.resolution_m) == ((40, 60), 10.0)
    assert [band.name for band in scene.bands] == ["red", "green", "blue", "band", "ndsm"]
    listed = open_scene(["ortho.tif", "height.tif"]).read()
    assert np.array_equal(scene.read().array, listed.array)
    plain = write_raster(tmp_path / "a+b.tif", np.ones((1, 4, 4), "uint8"))
    assert len(open_scene(plain).bands) == 1
    assert len(open_scene("a+b.tif+height.tif", SceneOptions()).bands) == 3


@pytest.mark.parametrize("grid", [None, "height.tif"])
def test_no_value_depends_on_the_window_that_it_is_read_in(tmp_path, grid):
    """A third file is in another CRS and has holes."""
    files = [ortho(tmp_path), heights(tmp_path)]
    warped = np.random.default_rng(3).random((1, 70, 70), np.float32)
    warped[0, 20:24, 20:24] = np.nan
    place = from_origin(2.999, 45.152, 0.0002, 0.0002)
    files.append(
        write_raster(tmp_path / "far.tif", warped, crs="EPSG:4326", transform=place, nodata=np.nan)
    )
    scene = open_scene(files, SceneOptions(grid=grid and tmp_path / grid))
    whole = scene.read()
    assert 0.2 < whole.valid.mean() < 1
    rows, cols = scene.shape
    parts = [scene.read(slice(0, rows), some) for some in (slice(0, 17), slice(17, cols))]
    assert np.array_equal(np.concatenate([p.valid for p in parts], axis=1), whole.valid)
    both = np.concatenate([p.array for p in parts], axis=2)
    assert np.array_equal(both[:, whole.valid], whole.array[:, whole.valid])


def test_finer_pixels_are_averaged_on_a_coarser_grid_without_their_nodata(tmp_path):
    values = np.arange(40 * 60, dtype="float32").reshape(1, 40, 60)
    values[0, :2, :2] = -1, -1
    values[0, 2, 0] = -1
    fine = write_raster(tmp_path / "fine.tif", values, bands=("x",), nodata=-1)
    made = open_scene([fine, heights(tmp_path)], SceneOptions(grid=tmp_path / "height.tif")).read()
    blocks = (
        np.where(values < 0, np.nan, values)[0]
        .reshape(20, 2, 30, 2)
        .swapaxes(1, 2)
        .reshape(20, 30, 4)
    )
    assert made.valid.sum() == 20 * 30 - 1
    assert not made.valid[0, 0]
    expected = np.nanmean(blocks[made.valid], axis=1)
    np.testing.assert_allclose(made.array[0][made.valid], expected, rtol=1e-6)


def test_coarser_pixels_are_bilinear_and_end_where_their_nodata_begins(tmp_path):
    ramp = np.tile(np.arange(30, dtype="float32") * 20, (20, 1))[None]
    ramp[0, :, 20:] = np.nan
    place = from_origin(500_000, 5_000_000, 20, 20)
    coarse = write_raster(tmp_path / "c.tif", ramp, bands=("c",), transform=place, nodata=np.nan)
    made = open_scene([ortho(tmp_path), coarse]).read()
    centres = np.arange(60) * 10 - 5.0  # of the fine pixels from the first coarse centre
    inside = slice(1, 39)
    np.testing.assert_allclose(
        made.array[3, :, inside], np.tile(centres[inside], (40, 1)), atol=1e-3
    )
    assert made.valid[:, :40].all()
    assert not made.valid[:, 41:].any()
    assert np.nanmax(made.array[3]) == 380


def test_bands_of_one_name_in_two_files_have_to_be_named(tmp_path):
    files = [ortho(tmp_path, "rgb.tif"), ortho(tmp_path, "irc.tif")]
    with pytest.raises(
        SceneError, match=r"rgb\.tif and .*irc\.tif both have red, green, blue.*`bands=`"
    ):
        open_scene(files)
    with pytest.raises(SceneError, match="could be mixed up"):
        open_scene(files, SceneOptions(bands=("red", "blue")))
    names = ("red", "green", "blue", "nir", "red2", "green2")
    assert [band.name for band in open_scene(files, SceneOptions(bands=names)).bands] == list(names)


def test_files_that_are_no_scene_together_are_refused(tmp_path):
    one = ortho(tmp_path)
    with pytest.raises(SceneError, match="given twice"):
        open_scene(f"{one}+{tmp_path}/./ortho.tif")
    far = heights(tmp_path, "far.tif", transform=from_origin(9e5, 5e6, 20, 20))
    with pytest.raises(SceneError, match="does not overlap"):
        open_scene([one, far])
    placeless = heights(tmp_path, "none.tif", crs=None)
    with pytest.raises(SceneError, match="no CRS"):
        open_scene([one, placeless]).read()
    with pytest.raises(OptionError, match=r"`grid='far\.tif'` is none of the scene's files"):
        open_scene([one, heights(tmp_path)], SceneOptions(grid="far.tif"))
    with pytest.raises(SceneError, match=r"hieght\.tif does not exist"):
        open_scene(f"{one}+hieght.tif")


def test_single_bands_without_names_are_named_after_their_files(tmp_path):
    heights(tmp_path, "slope.tif", bands=("",))
    heights(tmp_path, "soil.tif", bands=("",))
    scene = open_scene([ortho(tmp_path), tmp_path / "slope.tif", tmp_path / "soil.tif"])
    told = [(band.name, band.modality) for band in scene.bands[3:]]
    assert told == [("slope", "terrain"), ("soil", "soil")]
