"""Awkward but real files through ``geodl segment``: a right map or a clear error, never a mixture."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.testing import write_model
from tests.cli.conftest import leftovers
from tests.conftest import REAL_DATA

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]

FOLDER = REAL_DATA / "odd_rasters"
FILES = sorted(p.name for p in FOLDER.iterdir()) if FOLDER.is_dir() else []
NO_RASTER = {"LICENSE", "box.cpg", "box.dbf", "box.prj", "box.shp", "box.shx"}
ERRORS = {
    **dict.fromkeys(NO_RASTER, "cannot be opened as a raster"),
    "all-nodata.tif": "has no valid pixel",
    "corrupt.tif": "damaged or incomplete",
}
# What is georeferenced neither by a transform nor by a CRS has no place for polygons.
PLACELESS = {"RGB.byte.gcp.vrt", "RGB.byte.rpc.vrt"}


@pytest.fixture(scope="module")
def model_for(tmp_path_factory):
    """Model on the numbers themselves for bands of these names."""
    folder = tmp_path_factory.mktemp("models")

    def make(names):
        path = folder / f"{'-'.join(names)}.safetensors"
        fields = {"quantity": "digital numbers", "resolution_m": None}
        return path if path.exists() else write_model(path, bands=names, **fields)

    return make


def expected_mask(path):
    """(rows, cols) True where GDAL itself says that every band is valid; None where it cannot."""
    with rasterio.open(path) as dataset:
        if not dataset.count:
            return None
        alpha = [c.name == "alpha" for c in dataset.colorinterp]
        masks = [dataset.read_masks(i + 1) != 0 for i, is_a in enumerate(alpha) if not is_a]
        finite = np.isfinite(dataset.read()).all(axis=0)
    return np.all(masks, axis=0) & finite


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_right_map_or_clear_error(geodl, model_for, tmp_path, name):
    path = FOLDER / name
    names = ("red", "green", "blue") if name in ERRORS else _names(path)
    outputs = ["--confidence", "--quicklook", "look.png"]
    outputs += [] if name in PLACELESS else ["--polygons", "out.gpkg"]
    ended = geodl("segment", path, "-m", model_for(names), "-o", "map.tif", *outputs)
    if name in ERRORS:
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.count("\n") == 1
        assert ended.err.startswith("geodl: ")
        assert ERRORS[name] in ended.err
        assert name in ended.err
        assert leftovers(tmp_path) == {}
        return
    # The model knows nothing of such numbers, which is said; of some alpha bands it is said that they vary.
    doubts = ("was trained on values", "marked as transparency")
    said = [line for line in ended.err.splitlines() if not any(doubt in line for doubt in doubts)]
    assert (ended.code, said) == (0, [])
    assert cog_validate("map.tif", strict=True) == (True, [], [])
    _check_place(path, Path("map.tif"))
    with rasterio.open("map.tif") as made, rasterio.open("map_confidence.tif") as confidence:
        classes = made.read(1)
        np.testing.assert_array_equal(confidence.read_masks(1) != 0, classes != 255)
    mask = expected_mask(path)
    if mask is not None:
        np.testing.assert_array_equal(classes != 255, mask)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def _names(path):
    return tuple(band.name for band in open_scene(path).bands)


def _check_place(given_path, made_path):
    """The map lies where the scene lies, in whatever way the scene says so."""
    with rasterio.open(given_path) as given, rasterio.open(made_path) as made:
        if not given.count:  # a container; its variables have the place
            assert made.crs is not None
            assert not made.transform.is_identity
            return
        assert made.shape == given.shape
        points, points_crs = given.gcps
        if points and given.transform.is_identity:
            kept = np.array([(p.row, p.col, p.x, p.y) for p in made.gcps[0]])
            np.testing.assert_allclose(kept, [(p.row, p.col, p.x, p.y) for p in points])
            assert made.gcps[1] == points_crs
        else:
            assert made.transform.almost_equals(given.transform, precision=1e-9)
            assert made.crs == given.crs
        assert (made.rpcs is None) == (given.rpcs is None)
        if given.rpcs is not None:
            facts = given.rpcs.to_dict()
            assert made.rpcs.to_dict().keys() == facts.keys()
            for key, value in made.rpcs.to_dict().items():
                assert value == pytest.approx(facts[key]), key


def test_rotation_is_kept(geodl, model_for):
    path = FOLDER / "rotated.tif"
    assert geodl("segment", path, "-m", model_for(_names(path)), "-o", "map.tif").code == 0
    with rasterio.open("map.tif") as made:
        assert made.transform.b == pytest.approx(5.0)
        assert made.transform.d == pytest.approx(10.0)


@pytest.mark.parametrize("name", sorted(PLACELESS))
def test_polygons_need_a_place(geodl, model_for, tmp_path, name):
    path = FOLDER / name
    arguments = ["segment", path, "-m", model_for(_names(path)), "-o", "map.tif"]
    ended = geodl(*arguments, "--polygons", "out.gpkg")
    assert ended.code == 1
    assert "polygons need an affine transform" in ended.err
    assert "gdalwarp" in ended.err
    assert leftovers(tmp_path) == {}
