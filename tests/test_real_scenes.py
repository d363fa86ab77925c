"""``geodl segment`` on real products, as they are delivered."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rio_cogeo import cog_validate

from georaster_dl.models.package.file import builtin_models, read_card
from georaster_dl.testing import write_model
from tests.cli.conftest import leftovers
from tests.conftest import REAL_DATA

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

IRELAND = ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12")
NODATA = 255


@pytest.fixture(scope="module")
def safe():
    return next((REAL_DATA / "s2_ireland_l2a").glob("*.SAFE"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "s2.safetensors"
    return write_model(path, bands=IRELAND, n_classes=6, resolution_m=(10, 60))


@pytest.fixture(scope="module")
def has_data(safe):
    """(rows, cols) True where all nine bands have a number other than 0."""
    valid = True
    for name in IRELAND:
        with rasterio.open(next(safe.rglob(f"IMG_DATA/**/*_{name}_60m.jp2"))) as band:
            valid = valid & (band.read(1) != 0)
    return valid


def test_product_with_everything(geodl, safe, model, has_data, tmp_path):
    arguments = [
        "--probabilities",
        "--confidence",
        "--polygons",
        "out.gpkg",
        "--quicklook",
        "q.png",
    ]
    ended = geodl("segment", safe, "-m", model, *arguments)
    assert (ended.code, ended.err) == (0, "")
    name = f"{safe.stem}_landcover.tif"
    assert ended.out.splitlines()[-1] == name
    card = read_card(model)
    for path in tmp_path.glob("*.tif"):
        assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(name) as made, rasterio.open(next(safe.rglob("*_B04_60m.jp2"))) as given:
        assert (made.crs, made.transform, made.shape) == (given.crs, given.transform, given.shape)
        assert made.overviews(1)
        classes, colors, tags = made.read(1), made.colormap(1), made.tags()
    np.testing.assert_array_equal(classes != NODATA, has_data)
    assert 0.3 < (classes == NODATA).mean() < 0.5
    for entry in card.classes:
        assert entry.name in tags["CLASS_NAMES"]
        assert colors[entry.value][:3] == entry.color
    assert tags["GEORASTER_DL_INPUT_BANDS"] == ",".join(IRELAND)
    with rasterio.open(f"{safe.stem}_landcover_probabilities.tif") as made:
        assert made.descriptions == tuple(entry.name for entry in card.classes)
        probabilities = made.read()
    np.testing.assert_array_equal(probabilities[0] != 255, has_data)
    total = probabilities.astype(int).sum(axis=0)[has_data]
    assert np.abs(total - 250).max() <= 3
    polygons = geopandas.read_file("out.gpkg", layer="out")
    assert polygons.area_m2.sum() == pytest.approx(3600 * has_data.sum(), rel=1e-9)
    assert set(polygons.class_name) <= {entry.name for entry in card.classes}
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_bands_and_area_of_interest(geodl, safe, model, has_data):
    with rasterio.open(next(safe.rglob("*_B04_60m.jp2"))) as given:
        rows, cols = np.nonzero(has_data)
        middle = given.xy(int(np.median(rows)), int(np.median(cols)))
        crs, transform = given.crs, given.transform
    disk = shapely.Point(middle).buffer(9_007, quad_segs=5)
    geopandas.GeoDataFrame(geometry=[disk], crs=crs).to_crs(4326).to_file("disk.geojson")
    # The order on the command line is the user's; the model gets its own.
    named = ["--bands", ",".join(reversed(IRELAND))]
    assert geodl("segment", safe, "-m", model, *named, "-o", "whole.tif").code == 0
    assert geodl("segment", safe, "-m", model, "--aoi", "disk.geojson", "-o", "part.tif").code == 0
    with rasterio.open("whole.tif") as a, rasterio.open("part.tif") as b:
        whole, part = a.read(1), b.read(1)
    inside = rasterio.features.geometry_mask([disk], has_data.shape, transform, invert=True)
    # GeoJSON keeps 7 decimals of a degree, so a pixel on the line may fall to either side.
    assert ((part != NODATA) != (inside & has_data)).sum() <= 3
    np.testing.assert_array_equal(part[part != NODATA], whole[part != NODATA])
    assert (part != NODATA).sum() > 50_000


def test_product_without_a_band_of_the_model(geodl, safe, tmp_path):
    model = write_model(tmp_path / "m.safetensors", bands=("B02", "B08"), resolution_m=(10, 60))
    before = leftovers(tmp_path)
    ended = geodl("segment", safe, "-m", model)
    assert ended.code == 1
    assert "misses B08 (833 nm)" in ended.err
    assert "B8A (865 nm)" in ended.err
    assert leftovers(tmp_path) == before


def test_product_at_a_resolution_that_the_model_does_not_know(geodl, safe, tmp_path):
    model = write_model(tmp_path / "m.safetensors", resolution_m=(10, 10))
    ended = geodl("segment", safe, "-m", model)
    assert ended.code == 1
    assert "pixels of 60 m" in ended.err
    assert "trained on 10 m" in ended.err


def test_thirteen_band_file(geodl, real_data, model):
    path = real_data / "s2_slovenia" / "scene_1.tif"
    assert geodl("segment", path, "-m", model, "--confidence").code == 0
    with rasterio.open("scene_1_landcover.tif") as made, rasterio.open(path) as given:
        assert (made.crs, made.transform, made.shape) == (given.crs, given.transform, given.shape)
        names = given.descriptions
        used = given.read([names.index(band) + 1 for band in IRELAND])
        np.testing.assert_array_equal(made.read(1) != NODATA, (used != 0).all(axis=0))
        assert np.unique(made.read(1)).size > 2


@pytest.mark.skipif("landcover-sample" not in builtin_models(), reason="no bundled model is here")
def test_bundled_model(geodl, real_data):
    scene = real_data / "s2_slovenia" / "scene_1.tif"
    ended = geodl("segment", scene, "-m", "landcover-sample")
    assert ended.code == 0
    card = read_card(builtin_models()["landcover-sample"])
    with rasterio.open("scene_1_landcover.tif") as made:
        assert made.tags()["GEORASTER_DL_MODEL"] == f"{card.name} {card.version}"
        assert set(np.unique(made.read(1))) <= {c.value for c in card.classes} | {NODATA}


def test_sentinel2_model_on_the_held_out_part_of_a_product(geodl, safe):
    """What docs/s2-landcover.md says of the network holds for the map that users get."""
    assert geodl("segment", safe, "-o", "map.tif").code == 0
    with rasterio.open("map.tif") as made:
        mapped = made.read(1)[812:]
    with rasterio.open(next(safe.rglob("R60m/*_SCL_60m.jp2"))) as source:
        scl = source.read(1)[812:]
    # Values of the map that are right for a number of the scene classification.
    right = {3: (8,), 4: (1, 2, 3), 5: (4, 5), 6: (6,), 8: (7,), 9: (7,), 10: (7,)}
    known = np.isin(scl, list(right)) & (mapped != NODATA)
    correct = np.zeros(scl.shape, bool)
    for number, values in right.items():
        correct |= (scl == number) & np.isin(mapped, values)
    assert correct[known].mean() >= 0.91


def test_sentinel2_model_on_the_held_out_half_of_three_dates(geodl, real_data):
    with rasterio.open(real_data / "s2_slovenia" / "lulc.tif") as source:
        cover = source.read(1)[52:]
    for date in (3, 4, 5):
        scene = real_data / "s2_slovenia" / f"scene_{date}.tif"
        assert geodl("segment", scene, "-o", f"{date}.tif").code == 0
        with rasterio.open(f"{date}.tif") as made:
            mapped = made.read(1)[52:]
        assert (mapped == 1)[cover == 2].mean() >= 0.9
        # Meadows are its weak side: docs/s2-landcover.md.
        assert (mapped == 2)[cover == 3].mean() >= 0.3


@pytest.mark.parametrize(
    ("chip", "value"),
    [("lena_delta_L2A", 9), ("emirates_sand_20221109_L2A", 5), ("eurosat_forest_2_L1C", 1)],
)
def test_sentinel2_model_takes_neither_snow_nor_sand_nor_dark_woods_for_sky(
    geodl, real_data, chip, value
):
    assert geodl("segment", real_data / f"s2_world/chips/{chip}.tif", "-o", "map.tif").code == 0
    with rasterio.open("map.tif") as made:
        mapped = made.read(1)
    valid = mapped != NODATA
    assert (mapped[valid] == value).mean() >= 0.95
    assert np.isin(mapped[valid], (7, 8)).mean() <= 0.01
