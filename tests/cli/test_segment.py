"""``geodl segment`` end to end: what is in the outputs is what the network says."""

import json
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely
import torch
from rio_cogeo import cog_validate

from georaster_dl.io.output.provenance import trained_on
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.predict.outputs import rasters
from georaster_dl.testing import BANDS, SHAPE, noise, write_model, write_scene
from tests.maps import read_bands

NODATA = 255


def by_hand(model, array, *, scale=1e-4):
    """(classes, rows, cols) probabilities of the whole scene in one pass, NaN where nodata."""
    card, network = load_model(model)
    rows, cols = array.shape[1:]
    valid = (array != 0).all(axis=0)
    mean = np.array([b.mean for b in card.bands])[:, None, None]
    std = np.array([b.std for b in card.bands])[:, None, None]
    x = np.where(valid, (array * scale - mean) / std, 0).astype("float32")
    x = np.pad(x, ((0, 0), (0, -rows % 8), (0, -cols % 8)))
    with torch.inference_mode():
        logits = network(torch.from_numpy(x)[None])[0, :, :rows, :cols]
    return np.where(valid, torch.softmax(logits, 0).numpy(), np.nan)


def classes_of(probabilities):
    """Class values 1, 2, ... and 255 where nodata."""
    best = np.nan_to_num(probabilities, nan=-1).argmax(axis=0) + 1
    return np.where(np.isnan(probabilities[0]), NODATA, best).astype("uint8")


@pytest.mark.parametrize("tile", [0, 128])
def test_map_is_what_the_network_says(geodl, model, scene, narrow_memory, tile):
    if tile:
        narrow_memory(tile)
    ended = geodl("segment", scene, "-m", model, "--halo", "exact", "--precision", "fp32")
    assert ended.code == 0
    assert ended.err == ""
    assert ended.out.splitlines()[-1] == "scene_landcover.tif"
    with rasterio.open("scene_landcover.tif") as made, rasterio.open(scene) as given:
        assert (made.crs, made.transform, made.shape) == (given.crs, given.transform, given.shape)
        assert (made.dtypes, made.nodata) == (("uint8",), NODATA)
        if tile:
            assert "tile=128x" in made.tags()["GEORASTER_DL_PARAMETERS"]
        expected = by_hand(model, given.read())
        result = made.read(1)
    np.testing.assert_array_equal(result == NODATA, np.isnan(expected[0]))
    # Where two classes are equal to the last digit, rounding decides.
    first, second = np.sort(np.nan_to_num(expected), axis=0)[:-3:-1]
    clear = (first - second > 1e-4) | np.isnan(expected[0])
    np.testing.assert_array_equal(result[clear], classes_of(expected)[clear])
    assert clear.mean() > 0.99
    assert set(np.unique(result)) == {1, 2, 3, 4, NODATA}


def test_map_is_a_styled_cog(geodl, model, scene, tmp_path):
    assert geodl("segment", scene, "-m", model, "-o", "map.tif").code == 0
    assert cog_validate("map.tif", strict=True) == (True, [], [])
    card = read_card(model)
    names = [entry.name for entry in card.classes]
    with rasterio.open("map.tif") as made:
        tags, colors = made.tags(), made.colormap(1)
        assert made.descriptions == ("land cover",)
    for entry in card.classes:
        assert colors[entry.value] == (*entry.color, 255)
    assert colors[NODATA][3] == 0
    assert json.loads(tags["CLASS_NAMES"]) == {str(c.value): c.name for c in card.classes}
    assert tags["GEORASTER_DL_MODEL"] == f"{card.name} {card.version}"
    assert tags["GEORASTER_DL_MODEL_SHA256"] == card.weights_sha256
    assert tags["GEORASTER_DL_INPUT"] == "scene.tif"
    assert tags["GEORASTER_DL_INPUT_BANDS"] == ",".join(BANDS)
    assert tags["GEORASTER_DL_PARAMETERS"].startswith("halo=16 blend=0 tile=152x136 device=cpu")
    assert tags["TIFFTAG_SOFTWARE"] == f"georaster_dl {tags['GEORASTER_DL_VERSION']}"
    sidecar = ET.parse("map.tif.aux.xml").getroot()
    assert [e.text or "" for e in sidecar.iter("Category")] == ["", *names]
    rows = [[f.text for f in row] for row in sidecar.iter("Row")]
    assert [(int(row[0]), row[1]) for row in rows] == [(c.value, c.name) for c in card.classes]
    entries = ET.parse("map.qml").getroot().iter("paletteEntry")
    assert [e.get("label") for e in entries] == names
    expected = {"scene.tif", "map.tif", "map.tif.aux.xml", "map.qml"}
    assert {p.name for p in tmp_path.iterdir()} == expected


@pytest.mark.parametrize(
    ("kind", "place"), [("float32", 1), ("uint8", 1), (None, 1), (None, 2), (None, 4)]
)
def test_probabilities(geodl, model, scene, kind, place):
    arguments = ["segment", scene, "-m", model]
    arguments.insert(place, "--probabilities")
    if kind:
        arguments.insert(place + 1, kind)
    assert geodl(*arguments, "--halo", "exact", "--precision", "fp32").code == 0
    assert cog_validate("scene_landcover_probabilities.tif", strict=True)[0]
    expected = by_hand(model, read_bands(scene))
    with rasterio.open("scene_landcover_probabilities.tif") as dataset:
        assert dataset.descriptions == tuple(f"class {i}" for i in range(4))
        assert dataset.dtypes[0] == (kind or "uint8")
        stored = dataset.read(masked=True)
        values = stored.astype("float64") * dataset.scales[0] + dataset.offsets[0]
    np.testing.assert_array_equal(np.ma.getmaskarray(stored), np.isnan(expected))
    step = 1e-4 if kind == "float32" else 0.0021
    np.testing.assert_allclose(values.filled(0), np.nan_to_num(expected), atol=step)
    np.testing.assert_allclose(values.sum(axis=0).compressed(), 1, atol=4 * step)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_confidence_is_the_largest_probability(geodl, model, scene, kind):
    assert geodl("segment", "--confidence", "--probabilities", kind, scene, "-m", model).code == 0
    with rasterio.open("scene_landcover_confidence.tif") as dataset:
        assert dataset.descriptions == ("confidence",)
        confidence, scale = dataset.read(1, masked=True), dataset.scales[0]
    with rasterio.open("scene_landcover_probabilities.tif") as dataset:
        probabilities = dataset.read(masked=True)
        assert dataset.scales == (scale,) * 4
    np.testing.assert_array_equal(confidence.filled(0), probabilities.max(axis=0).filled(0))
    classes = read_bands("scene_landcover.tif")[0]
    np.testing.assert_array_equal(np.ma.getmaskarray(confidence), classes == NODATA)
    picked = np.take_along_axis(probabilities.filled(0), (classes[None] - 1) % 4, axis=0)[0]
    np.testing.assert_array_equal(picked[classes != NODATA], confidence.compressed())


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_uncertainty_is_the_entropy_of_the_probabilities(geodl, model, scene, kind):
    arguments = ["--uncertainty", "--probabilities", kind, "--precision", "fp32"]
    assert geodl("segment", scene, "-m", model, "--halo", "exact", *arguments).code == 0
    with rasterio.open("scene_landcover_uncertainty.tif") as dataset:
        assert dataset.descriptions == ("uncertainty",)
        found = dataset.read(1, masked=True) * dataset.scales[0]
    assert scene.with_name("scene_landcover_uncertainty.qml").exists()
    p = by_hand(model, read_bands(scene))
    expected = -(p * np.log(p, where=p > 0, out=np.zeros_like(p))).sum(axis=0) / np.log(4)
    np.testing.assert_array_equal(np.ma.getmaskarray(found), np.isnan(expected))
    np.testing.assert_allclose(
        found.filled(0), np.nan_to_num(expected), atol=1e-4 if kind == "float32" else 0.0021
    )


def test_polygons_are_seamless_and_named(geodl, model, scene, narrow_memory):
    narrow_memory(64)
    assert geodl("segment", scene, "-m", model, "--polygons", "out.gpkg").code == 0
    with rasterio.open("scene_landcover.tif") as dataset:
        assert "tile=64x" in dataset.tags()["GEORASTER_DL_PARAMETERS"]
        classes = dataset.read(1)
        shapes = list(
            rasterio.features.shapes(classes, classes != NODATA, transform=dataset.transform)
        )
    polygons = geopandas.read_file("out.gpkg", layer="out")
    assert polygons.crs.to_epsg() == 32631
    assert len(polygons) == len(shapes)  # not one cut at a seam of tiles
    assert polygons.area_m2.sum() == pytest.approx(100 * (classes != NODATA).sum(), rel=1e-9)
    for value, group in polygons.groupby("class_id"):
        assert set(group.class_name) == {f"class {value - 1}"}
        assert group.area_m2.sum() == pytest.approx(100 * (classes == value).sum(), rel=1e-9)
    with closing(sqlite3.connect("out.gpkg")) as base:
        assert base.execute("SELECT count(*) FROM layer_styles").fetchone() == (1,)


@pytest.mark.parametrize("rows", [150, 700, 3100])
def test_quicklook(geodl, model, tmp_path, rows):
    """Whatever overviews the map has and the scene has not, both are drawn at one size."""
    scene = write_scene(tmp_path / "scene.tif", noise((rows, 130)))
    assert geodl("segment", scene, "-m", model, "--quicklook", "look.png").code == 0
    with rasterio.open("look.png") as picture:
        assert picture.driver == "PNG"
        assert min(picture.shape) > 200
        assert np.unique(picture.read(1)).size > 50


def test_area_of_interest(geodl, model, scene, narrow_memory):
    narrow_memory(64)
    area = shapely.Polygon([(500_401, 4_999_702), (501_003, 4_999_511), (500_707, 4_998_909)])
    frame = geopandas.GeoDataFrame(geometry=[area, area.centroid], crs=32631)
    frame.to_crs(4326).to_file("area.gpkg")
    assert geodl("segment", scene, "-m", model, "-o", "all.tif").code == 0
    outputs = ["--confidence", "--polygons", "out.gpkg"]
    ended = geodl("segment", scene, "-m", model, "--aoi", "area.gpkg", "-o", "part.tif", *outputs)
    assert ended.code == 0
    whole, part = read_bands("all.tif")[0], read_bands("part.tif")[0]
    with rasterio.open(scene) as dataset:
        inside = rasterio.features.geometry_mask([area], SHAPE, dataset.transform, invert=True)
    np.testing.assert_array_equal(part != NODATA, inside & (whole != NODATA))
    np.testing.assert_array_equal(part[part != NODATA], whole[part != NODATA])
    assert (part != NODATA).any()
    np.testing.assert_array_equal(read_bands("part_confidence.tif")[0] == 255, part == NODATA)
    total = geopandas.read_file("out.gpkg", layer="out").area_m2.sum()
    assert total == pytest.approx(100 * (part != NODATA).sum(), rel=1e-9)
    # The polygons of a run are an area of interest of another.
    assert geodl("segment", scene, "-m", model, "--aoi", "out.gpkg", "-o", "b.tif").err == ""
    np.testing.assert_array_equal(read_bands("b.tif")[0], part)


def test_nodata_from_the_user(geodl, model, tmp_path):
    array = noise()
    array[:, 60:90, 60:90] = 7
    path = write_scene(tmp_path / "s.tif", array, nodata=None)
    assert geodl("segment", path, "-m", model, "--nodata", 7).code == 0
    np.testing.assert_array_equal(
        read_bands("s_landcover.tif")[0] == NODATA, (array == 7).any(axis=0)
    )


def test_bands_name_a_file_without_names(geodl, refused, model, scene, tmp_path):
    array = noise()
    path = write_scene(tmp_path / "s.tif", array[::-1], bands=None)
    said = refused("segment", path, "-m", model)  # the third band is no B03
    assert "misses B02 (492 nm), B03 (560 nm), B04 (665 nm)" in said
    assert "--bands" in said
    assert geodl("segment", path, "-m", model, "--bands", "B04,B03,B02").code == 0
    assert geodl("segment", scene, "-m", model).code == 0
    np.testing.assert_array_equal(read_bands("s_landcover.tif"), read_bands("scene_landcover.tif"))
    said = refused("segment", path, "-m", model, "--bands", "B02,B03", "--overwrite")
    assert "2 names" in said
    assert "3 bands" in said


def test_scale_and_offset_from_the_user(geodl, refused, model, scene, tmp_path):
    path = write_scene(tmp_path / "s.tif", np.where(noise(), noise() + 1000, 0).astype("uint16"),
                       scale=None)  # fmt: skip
    said = refused("segment", path, "-m", model)
    assert "--scale" in said
    assert "reflectance" in said
    options = ["--scale", 1e-4, "--offset", -0.1]
    assert geodl("segment", path, "-m", model, *options, "--precision", "fp32").code == 0
    assert geodl("segment", scene, "-m", model, "--precision", "fp32").code == 0
    changed = read_bands("s_landcover.tif") != read_bands("scene_landcover.tif")
    assert changed.mean() < 1e-3  # rounding alone
    for wrong in ("nan", "inf", "0"):
        assert "--scale" in refused("segment", path, "-m", model, "--scale", wrong, "-o", "x.tif")


def test_several_single_band_files(geodl, model, scene, tmp_path):
    array = noise()
    files = [
        write_scene(tmp_path / f"T31_20220101_{name}.tif", array[i : i + 1], bands=None)
        for i, name in reversed(list(enumerate(BANDS)))
    ]
    assert geodl("segment", *files, "-m", model, "-o", "stack.tif").code == 0
    assert geodl("segment", scene, "-m", model, "-o", "one.tif").code == 0
    np.testing.assert_array_equal(read_bands("stack.tif"), read_bands("one.tif"))


def test_halo(geodl, refused, model, scene, narrow_memory):
    narrow_memory(128)
    for halo, pixels in (("0", 0), ("exact", 48), ("33", 40), ("auto", 16)):
        out = f"{halo}.tif"
        assert geodl("segment", scene, "-m", model, "--halo", halo, "-o", out).code == 0
        with rasterio.open(out) as dataset:
            assert f"halo={pixels} " in dataset.tags()["GEORASTER_DL_PARAMETERS"]
    exact, none = read_bands("exact.tif"), read_bands("0.tif")
    assert 0 < (exact != none).mean() < 0.5
    for wrong in ("-5", "wide", "1.5", "²"):
        said = refused("segment", scene, "-m", model, "--halo", wrong, "-o", "x.tif")
        assert wrong in said
        assert "exact or a number" in said


def test_exact_halo_where_there_is_none(refused, scene, tmp_path, model):
    path = tmp_path / "global.safetensors"
    content = model.read_bytes().replace(b'\\"exact\\":48', b'\\"exact\\":null')
    length = int.from_bytes(content[:8], "little") + len(content) - model.stat().st_size
    path.write_bytes(length.to_bytes(8, "little") + content[8:])
    assert "impossible with test-model" in refused("segment", scene, "-m", path, "--halo", "exact")


def test_bf16_changes_few_classes(geodl, model, scene):
    for precision in ("fp32", "bf16"):
        arguments = ["--precision", precision, "--device", "cpu", "-o", f"{precision}.tif"]
        assert geodl("segment", scene, "-m", model, *arguments).code == 0
        with rasterio.open(f"{precision}.tif") as dataset:
            assert f"cpu {precision}" in dataset.tags()["GEORASTER_DL_PARAMETERS"]
    full, half = read_bands("fp32.tif"), read_bands("bf16.tif")
    assert (full != half).mean() < 0.03  # noise has no clear classes; a real scene changes less
    np.testing.assert_array_equal(full == NODATA, half == NODATA)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_absent_gpu(refused, model, scene):
    for name in ("cuda", "cuda:3"):
        said = refused("segment", scene, "-m", model, "--device", name)
        assert f"Device {name} was asked for" in said
        assert "--device cpu" in said
    assert "choose auto, cpu, cuda" in refused("segment", scene, "-m", model, "--device", "tpu")


def test_overwrite(geodl, refused, model, scene, tmp_path):
    assert geodl("segment", scene, "-m", model).code == 0
    (tmp_path / "scene_landcover.tif.ovr").write_text("stale")
    said = refused("segment", scene, "-m", model)
    assert "scene_landcover.tif exists already" in said
    assert "--overwrite" in said
    first = (tmp_path / "scene_landcover.tif").stat().st_ino
    assert geodl("segment", scene, "-m", model, "--overwrite").code == 0
    assert (tmp_path / "scene_landcover.tif").stat().st_ino != first
    assert not (tmp_path / "scene_landcover.tif.ovr").exists()
    # An extra output that exists stops the run before anything is made.
    (tmp_path / "out.gpkg").write_text("mine")
    assert "out.gpkg exists" in refused(
        "segment", scene, "-m", model, "-o", "new.tif", "--polygons", "out.gpkg"
    )


def test_default_output_is_in_the_working_directory(geodl, model, tmp_path, monkeypatch):
    far = tmp_path / "far"
    far.mkdir()
    path = write_scene(far / "a#1;b.2022.tif", noise())
    assert geodl("segment", path, "-m", model).code == 0
    assert (tmp_path / "a#1;b.2022_landcover.tif").is_file()
    assert [p.name for p in far.iterdir()] == ["a#1;b.2022.tif"]


def test_quiet_says_nothing(geodl, model, scene, tmp_path):
    ended = geodl("segment", scene, "-m", model, "--quiet", "--confidence")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    careful = write_model(tmp_path / "careful.safetensors", limitations="Not for snow.")
    ended = geodl("segment", scene, "-m", careful, "--quiet", "--overwrite")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    ended = geodl("segment", scene, "-m", careful, "--overwrite")
    assert ended.err == "geodl: warning: careful: Not for snow.\n"


class Limited(torch.nn.Module):
    """A network on a device whose memory holds tiles up to a size."""

    def __init__(self, network, largest):
        super().__init__()
        self.network, self.largest = network, largest

    def forward(self, x):
        if max(x.shape[2:]) > self.largest:
            raise torch.OutOfMemoryError("out of memory")
        return self.network(x)


def test_out_of_memory_takes_smaller_tiles(geodl, refused, model, scene, monkeypatch, tmp_path):
    options = ["--precision", "fp32", "--halo", 16]
    assert geodl("segment", scene, "-m", model, *options, "-o", "a.tif").code == 0
    real = rasters.optimise_network
    monkeypatch.setattr(rasters, "optimise_network", lambda *a: Limited(real(*a), 80))
    events = geodl(
        "segment", scene, "-m", model, *options, "-o", "b.tif", "--progress", "json"
    ).events
    warnings = [event["message"] for event in events if event["event"] == "warning"]
    assert warnings
    assert all("out of memory" in text for text in warnings)
    assert events[-1]["event"] == "done"
    starts = [event for event in events if event["event"] == "start"]
    assert max(starts[-1]["tile"]) <= 80
    assert cog_validate("b.tif", strict=True)[0]
    a, b = read_bands("a.tif"), read_bands("b.tif")
    np.testing.assert_array_equal(a == NODATA, b == NODATA)
    assert (a != b).mean() < 0.2  # the halo is not the exact one
    assert sum(events[-1]["classes"].values()) == (b != NODATA).sum()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    monkeypatch.setattr(rasters, "optimise_network", lambda *a: Limited(real(*a), 8))
    ended = geodl("segment", scene, "-m", model, *options, "-o", "c.tif")
    assert ended.code == 1
    assert "ran out of memory even with the smallest tiles" in ended.err.splitlines()[-1]
    assert not list(tmp_path.glob("*c.tif*"))


def test_the_map_names_what_the_model_learnt_from(geodl, scene, tmp_path):
    training = {"labels": "fields.gpkg", "labels_sha256": "0123456789abcdef"}
    path = write_model(tmp_path / "own.safetensors", training=training)
    assert geodl("segment", scene, "-m", path, "-o", "map.tif").code == 0
    assert trained_on(tmp_path / "map.tif") == (["fields.gpkg"], ["0123456789abcdef"])


@pytest.mark.slow
def test_a_map_is_made_without_libraries_that_it_does_not_need(tmp_path):
    """Each of them takes a quarter of a second or more to load, for every scene of a script."""
    sample = str(Path(__file__).parents[2] / "sample_tiles" / "s2_east.tif")
    code = (
        "import sys\nfrom geodl_cli.main import main\n"
        f"sys.argv = ['geodl', 'segment', {sample!r}, '-o', 'map.tif', '--confidence']\n"
        "try:\n    main()\nfinally:\n"
        "    unneeded = {'geopandas', 'pandas', 'sklearn', 'scipy', 'lightning', 'matplotlib', 'xarray'}\n"
        "    print(sorted(unneeded & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert (tmp_path / "map.tif").is_file()
