"""Maps as a STAC collection: what it says, and that others can read it."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pystac.extensions.projection import ProjectionExtension
from pystac.validation import JsonSchemaSTACValidator

from georaster_dl.core.errors import OptionError, OutputError
from georaster_dl.mosaics.build import MosaicOptions, mosaic
from tests.mosaics import (
    LEGEND,
    NODATA,
    ZONE_32,
    grid,
    write_classes,
    write_confidence,
    write_values,
)

SCENE = "S2A_MSIL2A_20200101T105321_N0213_R051_T31TCJ_20230505T112233.SAFE"
MODEL = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "net-1.0",
    "geometry": None,
    "properties": {"datetime": "2020-01-01T00:00:00Z"},
    "links": [],
    "assets": {},
}


def two_maps(folder, **tags):
    made = {"GEORASTER_DL_MODEL": "net 1.0", "GEORASTER_DL_MODEL_SHA256": "abc", **tags}
    array = np.full((30, 20), 1, np.uint8)
    array[:15] = NODATA
    return [
        write_classes(folder / "a.tif", array, grid(array.shape), GEORASTER_DL_INPUT=SCENE, **made),
        write_classes(folder / "b.tif", array, grid(array.shape, crs=ZONE_32), **made),
    ]


def find_model(digest):
    return MODEL if digest == "abc" else None


def check_schema(path, kind):
    content = json.loads(path.read_text())
    JsonSchemaSTACValidator().validate_core(content, kind, content["stac_version"])
    return content


def test_a_collection_that_moves_with_its_maps(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    maps = two_maps(home)
    made = mosaic(maps, None, stac=home / "stac", find_model=find_model)
    assert made.files[-1] == home / "stac" / "collection.json"
    assert sorted(made.files) == sorted((home / "stac").iterdir())
    shutil.move(home, tmp_path / "moved")
    moved = (tmp_path / "moved").resolve()

    collection = pystac.Collection.from_file(moved / "stac" / "collection.json")
    check_schema(moved / "stac" / "collection.json", pystac.STACObjectType.COLLECTION)
    items = list(collection.get_items())
    assert [item.id for item in items] == ["a", "b"]
    for item in items:
        check_schema(moved / "stac" / f"{item.id}.json", pystac.STACObjectType.ITEM)
        assert item.assets["map"].get_absolute_href() == str(moved / f"{item.id}.tif")
        assert item.get_collection().id == collection.id == "stac"
        link = item.get_single_link("mlm:model")
        assert link.href == "./net-1.0.json"
        assert pystac.Item.from_file(link.get_absolute_href()).id == "net-1.0"
        assert item.properties["georaster_dl:model_sha256"] == "abc"
    assert str(tmp_path) not in "".join(p.read_text() for p in (moved / "stac").iterdir())


def test_what_an_item_says(tmp_path):
    mosaic(two_maps(tmp_path), None, stac=tmp_path / "stac")
    a, b = (json.loads((tmp_path / "stac" / f"{name}.json").read_text()) for name in "ab")
    assert a["properties"]["datetime"] == "2020-01-01T10:53:21Z"
    assert "description" not in a["properties"]
    assert "unknown" in b["properties"]["description"]
    told = datetime.strptime(b["properties"]["datetime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - told).total_seconds()) < 100
    items = (pystac.Item.from_file(tmp_path / "stac" / f"{name}.json") for name in "ab")
    assert [ProjectionExtension.ext(item).epsg for item in items] == [32631, 32632]
    assert a["properties"]["proj:shape"] == [30, 20]
    west, south, east, north = a["bbox"]
    assert 3 <= west < east < 3.01
    assert 45.1 < south < north < 45.2
    assert [link["rel"] for link in a["links"] if link["rel"] == "mlm:model"] == []
    (band,) = a["assets"]["map"]["raster:bands"]
    assert (band["data_type"], band["nodata"]) == ("uint8", NODATA)
    assert band["statistics"] == {"valid_percent": 50}
    assert "histogram" not in band
    assert [entry["value"] for entry in band["classification:classes"]] == LEGEND.values
    assert band["classification:classes"][1] == {
        "value": 3,
        "name": "grass_low",
        "description": "grass & low",
        "color_hint": "00C80A",
    }
    collection = json.loads((tmp_path / "stac" / "collection.json").read_text())
    assert collection["extent"]["spatial"]["bbox"][0][2] > 9  # zone 32
    assert collection["description"] == "Maps made by net 1.0"


def test_maps_of_a_quantity_and_empty_ones(tmp_path):
    values = np.arange(64, dtype=np.float32).reshape(1, 8, 8)
    empty = np.full((1, 8, 8), np.nan)
    maps = [
        write_values(tmp_path / "a.tif", values, grid((8, 8))),
        write_values(tmp_path / "e.tif", empty, grid((8, 8))),
    ]
    mosaic(maps, None, stac=tmp_path / "stac")
    a, e = (check_schema(tmp_path / "stac" / f"{n}.json", pystac.STACObjectType.ITEM) for n in "ae")
    (band,) = a["assets"]["map"]["raster:bands"]
    assert band["statistics"]["mean"] == 31.5
    assert (band["unit"], band["nodata"]) == ("t/ha", "nan")
    assert e["assets"]["map"]["raster:bands"][0]["statistics"] == {"valid_percent": 0}


def test_a_confidence_of_the_same_run_is_an_asset(tmp_path):
    """Not one that an earlier run left behind."""
    run = {"TIFFTAG_DATETIME": "2026:01:02 10:00:00"}
    maps = two_maps(tmp_path, **run)
    array = np.full((30, 20), 200)
    path = write_confidence(maps[0], array, grid((30, 20)), **run)
    earlier = {"TIFFTAG_DATETIME": "2026:01:01 10:00:00"}
    write_confidence(maps[1], array, grid((30, 20), crs=ZONE_32), **earlier)
    mosaic(maps, None, stac=tmp_path / "stac")
    for name in "ab":
        check_schema(tmp_path / "stac" / f"{name}.json", pystac.STACObjectType.ITEM)
    a, b = (pystac.Item.from_file(tmp_path / "stac" / f"{name}.json") for name in "ab")
    assert (list(a.assets), list(b.assets)) == (["map", "confidence"], ["map"])
    asset = a.assets["confidence"]
    assert asset.get_absolute_href() == str(path.resolve())
    assert not Path(asset.href).is_absolute()
    assert asset.roles == ["data"]
    assert asset.media_type == a.assets["map"].media_type
    (band,) = asset.extra_fields["raster:bands"]
    assert (band["data_type"], band["scale"], band["nodata"]) == ("uint8", 1 / 250, 255)


def test_names_stay_apart(tmp_path):
    """Of maps in two folders, of a map that is called like the collection, of models."""
    maps = []
    for folder, name in (("x", "a b"), ("y", "a b"), ("x", "collection"), ("x", "net-1.0")):
        (tmp_path / folder).mkdir(exist_ok=True)
        path = tmp_path / folder / f"{name}.tif"
        tags = {"GEORASTER_DL_MODEL_SHA256": "abc"}
        maps.append(write_classes(path, np.ones((4, 4)), grid((4, 4)), **tags))
    made = mosaic(maps, None, stac=tmp_path / "stac", find_model=find_model)
    names = ["a_b", "a_b_2", "collection_2", "net-1.0", "net-1.0_2", "collection"]
    assert [path.stem for path in made.files] == names
    collection = pystac.Collection.from_file(tmp_path / "stac" / "collection.json")
    hrefs = [item.assets["map"].get_absolute_href() for item in collection.get_items()]
    assert hrefs == [str(path.resolve()) for path in maps]


def test_beside_a_mosaic(tmp_path):
    maps = two_maps(tmp_path)[:1]
    made = mosaic(maps, tmp_path / "m.tif", stac=tmp_path / "stac")
    assert [path.name for path in made.files] == ["a.json", "collection.json", "m.tif"]
    assert all(path.is_file() for path in made.files)


def test_nothing_is_left_of_what_fails(tmp_path):
    maps = two_maps(tmp_path)
    (tmp_path / "m.tif").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        mosaic(maps, tmp_path / "m.tif", stac=tmp_path / "stac")
    assert not (tmp_path / "stac").exists()
    mosaic(maps, None, stac=tmp_path / "stac")
    with pytest.raises(OutputError, match=r"a\.json exists already"):
        mosaic(maps, None, stac=tmp_path / "stac")
    mosaic(maps, None, MosaicOptions(overwrite=True), stac=tmp_path / "stac")
    with pytest.raises(OutputError, match="Cannot write .*no/stac"):
        mosaic(maps, None, stac=tmp_path / "no" / "stac")
    with pytest.raises(
        OptionError, match=r"`order_by=`, `fill_class=`, `crs=` and `polygons=` are for a mosaic"
    ):
        mosaic(maps, None, MosaicOptions("date"), stac=tmp_path / "other")
    with pytest.raises(OptionError, match="Nothing is asked for"):
        mosaic(maps, None)


def across_180(folder, name, left):
    array = np.ones((40, 60), np.uint8)
    place = GeoBox((40, 60), Affine(10, 0, left, 0, -10, 7_214_000), "EPSG:32660")
    return write_classes(folder / name, array, place)


def test_maps_across_the_180th_meridian(tmp_path):
    # At 65 degrees north zone 60 ends at x = 641 400.
    maps = [across_180(tmp_path, "a.tif", 641_200), across_180(tmp_path, "b.tif", 642_000)]
    mosaic(maps, None, stac=tmp_path / "stac")
    item = check_schema(tmp_path / "stac" / "a.json", pystac.STACObjectType.ITEM)
    west, _, east, _ = item["bbox"]
    assert 179.9 < west < 180
    assert -180 < east < -179.9
    assert item["geometry"]["type"] == "MultiPolygon"
    collection = check_schema(
        tmp_path / "stac" / "collection.json", pystac.STACObjectType.COLLECTION
    )
    (bbox,) = collection["extent"]["spatial"]["bbox"]
    beyond = json.loads((tmp_path / "stac" / "b.json").read_text())["bbox"]
    assert (bbox[0], bbox[2]) == (west, beyond[2])


def test_a_map_in_local_coordinates_has_no_item(tmp_path):
    local = 'LOCAL_CS["Site (m)",UNIT["metre",1]]'
    place = GeoBox((4, 4), Affine(1, 0, 0, 0, -1, 0), local)
    one = write_classes(tmp_path / "a.tif", np.ones((4, 4), np.uint8), place)
    with pytest.raises(OptionError, match=r"CRS 'Site \(m\)', which does not say where on Earth"):
        mosaic([one], None, stac=tmp_path / "stac")
    assert not (tmp_path / "stac").exists()
    mosaic([one], tmp_path / "m.tif")
    with rasterio.open(tmp_path / "m.tif") as dataset:
        assert dataset.crs.to_wkt().startswith("LOCAL_CS")
