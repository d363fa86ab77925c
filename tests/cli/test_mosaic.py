"""``geodl mosaic``: from maps that ``geodl segment`` made to one map and a collection."""

import json

import geopandas
import numpy as np
import pystac
import pytest
import rasterio
from rasterio.transform import from_origin

from georaster_dl.testing import noise, write_scene
from tests.cli.test_startup import imported
from tests.maps import read_band
from tests.mosaics import grid, write_classes


@pytest.fixture
def maps(geodl, model, tmp_path):
    """Maps, with confidence, of two scenes that share 40 of 100 columns."""
    array = noise((60, 160))
    made = []
    for day, left in ((1, 0), (2, 60)):
        scene = tmp_path / f"s_2020010{day}T105321.tif"
        place = from_origin(500_000 + 10 * left, 5_000_000, 10, 10)
        write_scene(scene, array[:, :, left : left + 100], transform=place)
        path = tmp_path / f"map{day}.tif"
        ended = geodl("segment", scene, "-m", model, "-o", path, "--confidence", "--quiet")
        assert ended.code == 0, ended.err
        made.append(path)
    return made


def test_a_mosaic_of_real_maps(geodl, maps, tmp_path):
    ended = geodl("mosaic", *maps, "-o", "m.vrt")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "2 maps, 60 x 160 pixels",
        "keep together: m.vrt, m.qml and the maps that it refers to",
        "m.vrt",
    ]
    one, two = map(read_band, maps)
    assert (read_band("m.vrt")[:, 100:] == two[:, 40:]).all()
    hidden = one == 255
    assert (read_band("m.vrt")[:, :100][~hidden] == one[~hidden]).all()
    assert geodl("mosaic", *maps, "-o", "m.tif").code == 0
    assert (read_band("m.tif") == read_band("m.vrt")).all()
    assert geodl("mosaic", *maps, "-o", "late.vrt", "--order-by", "date").code == 0
    assert (read_band("late.vrt")[:, 60:][two != 255] == two[two != 255]).all()


def test_polygons_of_a_mosaic_go_on_from_map_to_map(geodl, maps):
    asked = ("--polygons", "m.gpkg", "--min-area", "30px", "--simplify", "1")
    ended = geodl("mosaic", *maps, "-o", "m.tif", *asked)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-2:] == ["m.gpkg", "m.tif"]
    frame = geopandas.read_file("m.gpkg", layer="m")
    known = 100 * (read_band("m.tif") != 255).sum()
    assert known - 100 * 30 <= frame.area_m2.sum() <= known
    assert geodl("polygons", "m.tif", "-o", "again.gpkg", *asked[2:]).code == 0
    again = geopandas.read_file("again.gpkg", layer="again")
    assert again.drop(columns="geometry").equals(frame.drop(columns="geometry"))
    refused = geodl("mosaic", *maps, "-o", "m.vrt", *asked)
    assert refused.code != 0
    assert "--polygons needs a mosaic with pixels of its own" in refused.err
    assert "ask for these with --polygons" in geodl("mosaic", *maps, "-o", "n.tif", *asked[2:]).err


def test_the_most_confident_pixel(geodl, maps):
    assert geodl("mosaic", *maps, "-o", "m.tif", "--by", "confidence").code == 0
    one, two = map(read_band, maps)
    sure, other = (read_band(path.with_name(f"{path.stem}_confidence.tif")) for path in maps)
    common = one[:, 60:], two[:, :40], sure[:, 60:], other[:, :40]
    assert ((common[2] > common[3]).any(), (common[2] < common[3]).any()) == (True, True)
    expected = np.where(common[2] >= common[3], common[0], common[1])
    known = (common[0] != 255) & (common[1] != 255)
    assert known.any()
    assert (read_band("m.tif")[:, 60:100] == expected)[known].all()


def test_the_confidence_of_an_earlier_run(geodl, refused, maps, model, tmp_path):
    scene = tmp_path / "s_20200102T105321.tif"
    again = ["segment", scene, "-m", model, "-o", maps[1], "--halo", "32", "--overwrite"]
    assert geodl(*again, "--quiet").code == 0
    told = refused("mosaic", *maps, "-o", "m.tif", "--by", "confidence")
    assert "map2_confidence.tif is of other parameters than map2.tif" in told


def test_classes_to_do_without(geodl, maps):
    one, two = map(read_band, maps)
    with rasterio.open(maps[0]) as dataset:
        names = json.loads(dataset.tags()["CLASS_NAMES"])
    value, name = next((int(v), n) for v, n in names.items() if (one[:, 60:] == int(v)).any())
    assert geodl("mosaic", *maps, "-o", "m.tif", "--fill-class", name).code == 0
    filled = (one[:, 60:] == value) & (two[:, :40] != 255)
    assert filled.any()
    assert (read_band("m.tif")[:, 60:100] == two[:, :40])[filled].all()
    assert (read_band("m.tif")[:, :60] == one[:, :60]).all()


def test_progress_as_json(geodl, maps):
    ended = geodl("mosaic", *maps, "-o", "m.tif", "--progress", "json")
    assert [event["event"] for event in ended.events] == ["start", "progress", "done"]
    assert ended.events[0]["pixels"] == 60 * 160
    assert ended.events[-1]["outputs"] == ["m.tif"]
    assert ended.events[-1]["maps"] == [str(path) for path in maps]
    assert ended.events[-1]["shape"] == [60, 160]


def test_quiet(geodl, maps):
    ended = geodl("mosaic", *maps, "-o", "m.tif", "--stac", "stac", "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_a_collection_linked_to_the_model(geodl, maps, model):
    ended = geodl("mosaic", *maps, "--stac", "stac", "-m", model)
    assert (ended.code, ended.err) == (0, "")
    items = list(pystac.Collection.from_file("stac/collection.json").get_items())
    assert [item.id for item in items] == ["map1", "map2"]
    assert items[0].datetime.day == 1
    described = pystac.Item.from_file(items[0].get_single_link("mlm:model").get_absolute_href())
    assert described.assets["model"].href == model.resolve().as_uri()
    assert "mlm:architecture" in described.properties


def test_a_bundled_model_is_found_and_a_wrong_one_told(geodl, tmp_path):
    from georaster_dl.models.package.file import builtin_models, read_card

    digest = read_card(builtin_models()["landcover-sample"]).weights_sha256
    path = write_classes(
        tmp_path / "a.tif", np.ones((8, 8)), grid((8, 8)), GEORASTER_DL_MODEL_SHA256=digest
    )
    ended = geodl("mosaic", path, "--stac", "stac", "-m", "s2-landcover")
    assert "warning: s2-landcover made none of these maps" in ended.err
    links = json.loads((tmp_path / "stac" / "a.json").read_text())["links"]
    assert "landcover-sample" in next(x["href"] for x in links if x["rel"] == "mlm:model")
    assert len(list((tmp_path / "stac").iterdir())) == 3


def test_maps_of_two_models_are_told(geodl, tmp_path):
    for name in "ab":
        write_classes(
            tmp_path / f"{name}.tif",
            np.ones((8, 8)),
            grid((8, 8)),
            GEORASTER_DL_MODEL=f"net {name}",
        )
    ended = geodl("mosaic", "a.tif", "b.tif", "-o", "m.vrt")
    assert ended.code == 0
    assert "geodl: warning: the maps come from 2 models" in ended.err
    (event,) = (
        event
        for event in geodl("mosaic", "a.tif", "b.tif", "-o", "n.vrt", "--progress", "json").events
        if event["event"] == "warning"
    )
    assert "net a: a.tif; net b: b.tif" in event["message"]


def test_refusals(refused, tmp_path):
    a = write_classes(tmp_path / "a.tif", np.ones((8, 8)), grid((8, 8)))
    far = write_classes(tmp_path / "b.tif", np.ones((8, 8)), grid((8, 8), size=20))
    for arguments, told in (
        ([a], "Nothing is asked for"),
        ([a, "-o", "m.png"], "-o makes a VRT or a GeoTIFF"),
        ([a, far, "-o", "m.vrt"], "end the name in .tif, which reprojects"),
        ([a, far, "-o", "m.vrt", "--order-by", "confidence"], "end the name in .tif"),
        ([a, far, "-o", "m.tif", "--by", "confidence"], "needs a_confidence.tif"),
        ([a, far, "-o", "m.tif", "--order-by", "date"], "No date is known for"),
        ([a, "-o", "m.tif", "--fill-class", "clod"], "--fill-class names 'clod', but"),
        ([a, "-o", "m.vrt", "--without", "water"], "--fill-class decides pixel by pixel"),
        ([a, "-o", "a.tif", "--overwrite"], "also an input"),
        ([a, "-o", "b.tif"], "exists already"),
        ([a, "-o", "m.tif", "-m", "s2-landcover"], "give --stac FOLDER, too"),
        ([a, "--stac", "s", "-m", "nothing"], "There is no model file and no bundled model"),
        ([a, "--stac", "a.tif"], "Cannot write a.tif"),
        ([tmp_path / "gone.tif", "-o", "m.vrt"], "cannot be opened as a raster"),
        ([a, "-o", "m.tif", "--crs", "EPSG:0"], "--crs must name a CRS"),
    ):
        assert told in refused("mosaic", *arguments)


def test_it_imports_no_torch(tmp_path):
    assert not {"torch", "rasterio", "numpy"} & imported("mosaic", "--help", cwd=tmp_path)
    write_classes(tmp_path / "a.tif", np.ones((8, 8)), grid((8, 8)))
    arguments = ["mosaic", "a.tif", "-o", "m.tif", "--stac", "s"]
    assert not {"torch", "matplotlib"} & imported(*arguments, cwd=tmp_path)
