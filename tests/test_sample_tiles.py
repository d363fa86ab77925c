"""The sample scenes are what their README says, and their script makes them anew."""

import importlib
import itertools
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize

FOLDER = Path(__file__).parents[1] / "sample_tiles"
S2_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
NAMES = ("s2_west", "s2_east", "hyperspectral")
DATA = {".tif", ".gpkg", ".img", ".hdr"}
WATER, FOREST, GRASSLAND, CROPLAND, BARE_SOIL, BUILT_UP, ROAD = range(1, 8)


@pytest.fixture(scope="module")
def scripts():
    """Import a script of the samples' folder by name."""
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path.remove(str(FOLDER))
    for name in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def truth_of(name):
    with rasterio.open(FOLDER / f"{name}_truth.tif") as source:
        return source.read(1)


def digital_of(name):
    with rasterio.open(FOLDER / f"{name}.{'img' if name == 'hyperspectral' else 'tif'}") as source:
        return source.read()


def reflectance_of(name):
    """Reflectance of a Sentinel-2 sample by band name, and where it is valid."""
    digital = digital_of(name)
    image = digital * 1e-4 - 0.1
    return dict(zip(S2_BANDS, image, strict=True)), (digital > 0).all(axis=0)


def test_files_are_small():
    files = [path for path in FOLDER.iterdir() if path.suffix in DATA]
    assert len(files) == 10
    assert sum(path.stat().st_size for path in files) < 8e6
    assert max(path.stat().st_size for path in files) < 4e6


@pytest.mark.parametrize(
    ("name", "shape", "epsg"), [("s2_west", (512, 512), 32631), ("s2_east", (288, 320), 32633)]
)
def test_sentinel2_scene_says_what_it_holds(name, shape, epsg):
    with rasterio.open(FOLDER / f"{name}.tif") as source:
        assert (source.shape, source.crs.to_epsg(), source.nodata) == (shape, epsg, 0)
        assert source.descriptions == S2_BANDS
        assert set(source.dtypes) == {"uint16"}
        assert set(source.scales) == {1e-4}
        assert set(source.offsets) == {-0.1}
        assert source.res == (10.0, 10.0)
        assert source.block_shapes[0] == (256, 256)
        structure = source.tags(ns="IMAGE_STRUCTURE")
        assert (structure["COMPRESSION"], structure["PREDICTOR"]) == ("DEFLATE", "2")


def test_cube_header_says_what_it_holds():
    with rasterio.open(FOLDER / "hyperspectral.img") as source:
        assert source.driver == "ENVI"
        assert (source.shape, source.nodata, source.dtypes[0]) == ((96, 96), -9999, "int16")
        assert source.res == (30.0, 30.0)
        assert source.crs.to_epsg() in {32632, None}  # GDAL builds the CRS from zone and datum
        assert source.crs.to_dict()["zone"] == 32
        header = source.tags(ns="ENVI")
    listed = {
        key: np.array([float(part) for part in header[key].strip("{}").split(",")])
        for key in ("wavelength", "fwhm", "bbl")
    }
    wavelength = listed["wavelength"]
    assert len(wavelength) == len(listed["fwhm"]) == len(listed["bbl"]) == 120
    assert (np.diff(wavelength) > 0).all()
    assert (wavelength[0], wavelength[-1]) == (420.0, 2450.0)
    vapour = (wavelength > 1350) & (wavelength < 1460) | (wavelength > 1790) & (wavelength < 1960)
    assert (listed["bbl"] == np.where(vapour, 0, 1)).all()
    assert header["wavelength_units"] == "Nanometers"
    assert header["reflectance_scale_factor"] == "10000"


@pytest.mark.parametrize("name", NAMES)
def test_truth_lies_on_the_scene_and_holds_all_classes(name):
    suffix = "img" if name == "hyperspectral" else "tif"
    with (
        rasterio.open(FOLDER / f"{name}.{suffix}") as scene,
        rasterio.open(FOLDER / f"{name}_truth.tif") as truth,
    ):
        assert scene.shape == truth.shape
        assert scene.transform.almost_equals(truth.transform)
        assert (truth.nodata, truth.dtypes) == (255, ("uint8",))
        classes = truth.read(1)
    assert set(np.unique(classes)) - {255} == set(range(1, 8))


@pytest.mark.parametrize("name", ["s2_west", "s2_east"])
def test_swath_edge_is_nodata_in_every_band_and_in_the_truth(name):
    digital, truth = digital_of(name), truth_of(name)
    outside = truth == 255
    assert 0.02 < outside.mean() < 0.2
    assert (digital[:, outside] == 0).all()
    assert (digital[:, ~outside] > 0).all()
    widths = outside.sum(axis=1)
    assert len(set(widths.tolist())) > 10  # oblique, not along a column


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_the_truth_in_part_of_the_scene(name):
    frame = geopandas.read_file(FOLDER / f"{name}_labels.gpkg")
    assert set(frame.columns) == {"class_id", "class", "geometry"}
    pairs = set(zip(frame["class_id"], frame["class"], strict=True))
    names = ("water", "forest", "grassland", "cropland", "bare soil", "built-up", "road")
    assert pairs <= set(enumerate(names, 1))
    assert len(pairs) >= 6
    with rasterio.open(FOLDER / f"{name}_truth.tif") as source:
        truth = source.read(1)
        same_zone = source.crs.to_epsg() == frame.crs.to_epsg()
        shapes = zip(frame.geometry, frame["class_id"], strict=True)
        labels = rasterize(shapes, truth.shape, transform=source.transform, fill=0)
    assert same_zone
    labelled = labels > 0
    assert 0.15 < labelled.mean() < 0.6
    assert (labels == truth)[labelled].mean() > 0.93  # corners are cut


@pytest.mark.parametrize("name", ["s2_west", "s2_east"])
def test_covers_have_their_spectra(name):
    bands, valid = reflectance_of(name)
    truth = truth_of(name)

    def index(a, b, value):
        place = valid & (truth == value)
        return np.median((bands[a] - bands[b])[place] / (bands[a] + bands[b])[place])

    assert index("B08", "B04", FOREST) > 0.6
    assert index("B08", "B04", CROPLAND) > 0.5
    assert index("B03", "B08", WATER) > 0
    assert index("B08", "B04", WATER) < 0
    assert abs(index("B08", "B04", BARE_SOIL)) < 0.35
    assert index("B11", "B08", BARE_SOIL) > 0 > index("B11", "B08", FOREST)
    for plane in bands.values():
        assert plane[valid].min() > -0.01
        assert plane[valid].max() < 1.0
    assert np.median(bands["B02"][valid]) < 0.12  # what a missing offset would exceed


def test_cube_has_red_edge_and_water_vapour():
    digital, truth = digital_of("hyperspectral"), truth_of("hyperspectral")
    wavelength = np.linspace(420, 2450, 120)

    def median(value, nm):
        return np.median(digital[np.abs(wavelength - nm).argmin()][truth == value]) / 10_000

    assert median(FOREST, 800) > 4 * median(FOREST, 670)
    assert median(WATER, 1600) < 0.05 < median(BARE_SOIL, 1600)
    assert abs(median(FOREST, 1400)) < 0.01


@pytest.mark.slow
def test_scripts_make_the_same_arrays(scripts):
    make = scripts("make")
    for sample in (make.WEST, make.EAST, make.CUBE):
        digital, truth = make.cube() if sample is make.CUBE else make.sentinel2(sample)
        # Equal on one machine; another's floating point may tip single cells.
        assert (truth == truth_of(sample.name)).mean() > 0.9999
        difference = np.abs(digital.astype(int) - digital_of(sample.name))
        assert (difference <= 1).mean() > 0.999


def test_scenes_depend_on_the_seed_alone(scripts):
    make_scene = scripts("landscape").make_scene
    image, truth = make_scene(7, 40, 56, gsd_m=20.0)
    again, same_truth = make_scene(7, 40, 56, gsd_m=20.0)
    other, _ = make_scene(8, 40, 56, gsd_m=20.0)
    assert image.shape == (10, 40, 56)
    assert truth.shape == (40, 56)
    assert np.array_equal(image, again)
    assert np.array_equal(truth, same_truth)
    assert not np.array_equal(image, other)


def test_sample_scenes_are_not_training_scenes(scripts):
    make, data = scripts("make"), scripts("training_data")
    sets = [data.TRAINING, data.VALIDATION, data.TEST, data.HALO]
    seeds = [set(range(s.first_seed, s.first_seed + sum(n for _, n, _ in s.plan))) for s in sets]
    seeds.append({make.WEST.seed, make.EAST.seed, make.CUBE.seed})
    assert all(not a & b for a, b in itertools.combinations(seeds, 2))
