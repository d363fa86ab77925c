"""Bundles of maps, read by GDAL; tests/qgis opens one in QGIS."""

import sqlite3
import xml.etree.ElementTree as ET
import zipfile
from contextlib import closing

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import box

import georaster_dl as gdl
from georaster_dl.core.errors import OptionError, OutputError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.io.maps import read_map, write_cog
from georaster_dl.io.vectors.geopackage import write_geopackage
from georaster_dl.render.qml import class_names_tag, write_class_style, write_ramp_style
from georaster_dl.testing import noise, write_scene

LEGEND = Legend((MapClass(1, "water", (0, 0, 255)), MapClass(7, "dry & <wet> $5", (9, 99, 0))))
FILES = ("README.txt", "map.qgz", "map.tif", "map.tif.aux.xml", "map.qml", "map_legend.png")


def write_plain(path, pixels, tags, **profile):
    """A raster as another program may write it: no overviews, no Cloud Optimized GeoTIFF."""
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_000_000, 20, 20)}
    shape = dict(zip(("count", "height", "width"), pixels.shape, strict=True))
    with rasterio.open(
        path, "w", "GTiff", **shape, **place, **profile, dtype=pixels.dtype
    ) as dataset:
        dataset.write(pixels)
        dataset.update_tags(GEORASTER_DL_MODEL="trees 2", **tags)
        if pixels.dtype == np.uint8:
            dataset.write_colormap(1, {entry.value: entry.color for entry in LEGEND.classes})
    return path


def write_map(path):
    pixels = np.random.default_rng(0).choice(np.array([1, 7, 255], np.uint8), (1, 60, 50))
    return write_plain(path, pixels, {"CLASS_NAMES": class_names_tag(LEGEND)}, nodata=255)


def state(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def unzipped(archive):
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        opened.extractall(archive.parent / "unzipped")
    return archive.parent / "unzipped" / archive.stem


def test_a_map_is_sent_as_cog_with_names_and_colours_whatever_its_file_was(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    write_map(source / "map.tif")
    before = state(source)
    made = gdl.bundle(source / "map.tif", out=tmp_path / "sent.zip")
    assert state(source) == before
    assert (made.contents, made.failed, made.left_out) == (FILES, (), ())
    folder = unzipped(tmp_path / "sent.zip")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    valid, errors, _warnings = cog_validate(str(folder / "map.tif"))
    assert (valid, errors) == (True, [])
    with rasterio.open(folder / "map.tif") as sent, rasterio.open(source / "map.tif") as given:
        assert sent.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        np.testing.assert_array_equal(sent.read(), given.read())
        assert (sent.crs, sent.transform, sent.nodata) == (given.crs, given.transform, 255)
        table = sent.colormap(1)
        assert [table[entry.value][:3] for entry in LEGEND.classes] == [(0, 0, 255), (9, 99, 0)]
        kept = sent.tags()
        assert (kept["CLASS_NAMES"], kept["GEORASTER_DL_MODEL"]) == (
            class_names_tag(LEGEND),
            "trees 2",
        )
    names = ET.parse(folder / "map.tif.aux.xml").findall(".//Category")
    assert [names[entry.value].text for entry in LEGEND.classes] == LEGEND.names
    text = (folder / "README.txt").read_text(encoding="utf-8")
    assert [
        name for name in (*FILES, "water  #0000ff", "trees 2", "EPSG:32633") if name not in text
    ] == []


def test_a_finished_cog_is_sent_byte_for_byte_unless_its_colours_were_changed_in_qgis(tmp_path):
    mapped = write_cog(read_map(write_map(tmp_path / "plain.tif")), tmp_path / "map.tif")
    gdl.bundle(mapped, out=tmp_path / "a.zip")
    assert (unzipped(tmp_path / "a.zip") / "map.tif").read_bytes() == mapped.read_bytes()
    red = Legend((MapClass(1, "water", (250, 0, 0)), LEGEND.classes[1]))
    write_class_style(tmp_path / "other.tif", red)
    (tmp_path / "other.qml").replace(tmp_path / "map.qml")
    gdl.bundle(mapped, out=tmp_path / "b.zip")
    sent = unzipped(tmp_path / "b.zip") / "map.tif"
    with rasterio.open(sent) as dataset:
        assert dataset.colormap(1)[1] == (250, 0, 0, 255)
    assert stated_classes(sent) == list(red.classes)


def test_outputs_beside_the_map_go_along_and_the_project_knows_them_by_relative_paths(tmp_path):
    mapped = write_map(tmp_path / "map.tif")
    with rasterio.open(mapped) as dataset:
        area = box(*dataset.bounds)
    values = np.full((1, 60, 50), 0.5, np.float32)
    for name in ("confidence", "probabilities", "other"):
        write_plain(tmp_path / f"map_{name}.tif", values, {})
    write_ramp_style(tmp_path / "map_confidence.tif", minimum=0, maximum=1)
    frame = geopandas.GeoDataFrame({"n": [1]}, geometry=[area], crs="EPSG:32633")
    write_geopackage(tmp_path / "map.gpkg", frame)
    (tmp_path / "report.html").write_text("<!DOCTYPE html>")
    added = [tmp_path / "report.html", mapped.with_name("map_other.tif")]
    with closing(sqlite3.connect(tmp_path / "map.gpkg")) as edited:  # as QGIS has it open
        edited.execute("PRAGMA journal_mode = wal")
        edited.execute("CREATE TABLE written_a_moment_ago (n INTEGER)")
        made = gdl.bundle(mapped, out=tmp_path / "sent.zip", add=added)
    assert made.left_out == (tmp_path / "map_probabilities.tif",)
    beside = (
        "map_confidence.tif",
        "map_confidence.qml",
        "map.gpkg",
        "report.html",
        "map_other.tif",
    )
    assert (made.contents, made.failed) == (FILES + beside, ())
    folder = unzipped(tmp_path / "sent.zip")
    with closing(sqlite3.connect(folder / "map.gpkg")) as copy:
        assert copy.execute("SELECT count(*) FROM written_a_moment_ago").fetchone() == (0,)
    with zipfile.ZipFile(folder / "map.qgz") as project:
        root = ET.fromstring(project.read("map.qgs"))
    sources = [source.text for source in root.iter("datasource")]
    assert sources == [
        "./map_confidence.tif",
        "./map.gpkg|layername=map",
        "./map_other.tif",
        "./map.tif",
    ]
    assert str(tmp_path) not in ET.tostring(root, encoding="unicode")


def test_a_map_of_a_quantity_has_a_colour_bar_and_an_extra_that_fails_costs_itself_alone(tmp_path):
    values = np.linspace(0, 9, 3000, dtype=np.float32).reshape(1, 60, 50)
    mapped = write_plain(tmp_path / "map.tif", values, {}, nodata=np.nan)
    (tmp_path / "map.gpkg").write_bytes(b"no database")
    with pytest.warns(gdl.GeoRasterWarning, match=r"map\.gpkg was not made"):
        made = gdl.bundle(mapped, out=tmp_path / "sent.zip")
    assert [output.path.name for output in made.failed] == ["map.gpkg"]
    assert made.contents == tuple(name for name in FILES if name != "map.tif.aux.xml")
    folder = unzipped(tmp_path / "sent.zip")
    assert cog_validate(str(folder / "map.tif"))[0]
    with rasterio.open(folder / "map.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), values)


def test_what_is_no_map_is_refused_and_nothing_is_left_behind(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise((60, 70)))
    heights = np.arange(3000, dtype=np.uint16).reshape(1, 60, 50)
    write_plain(tmp_path / "heights.tif", heights, {})
    mapped = write_map(tmp_path / "map.tif")
    (tmp_path / "taken.zip").write_bytes(b"")
    there = set(tmp_path.iterdir())
    for source, given, message in (
        (scene, {}, "holds 3 bands of uint16 and has no tags of geodl, but a map is"),
        (tmp_path / "heights.tif", {}, "holds 3000 different numbers without names"),
        (mapped, {"out": tmp_path / "map.7z"}, "is no zip archive"),
        (
            mapped,
            {"add": [tmp_path / "none.html"]},
            "is to be added to the bundle but does not exist",
        ),
        (mapped, {"add": [tmp_path]}, "is a folder; give files"),
        (mapped, {"add": [scene, tmp_path / "sub" / "scene.tif"]}, "have the name scene.tif"),
    ):
        (tmp_path / "sub").mkdir(exist_ok=True)
        (tmp_path / "sub" / "scene.tif").write_bytes(scene.read_bytes())
        with pytest.raises(OptionError, match=message):
            gdl.bundle(source, **{"out": tmp_path / "sent.zip", **given})
    with pytest.raises(OutputError, match="exists already"):
        gdl.bundle(mapped, out=tmp_path / "taken.zip")
    assert set(tmp_path.iterdir()) - there == {tmp_path / "sub"}


def test_a_shapefile_takes_its_other_files_along_or_is_refused(tmp_path):
    mapped = write_map(tmp_path / "map.tif")
    with rasterio.open(mapped) as dataset:
        area = box(*dataset.bounds)
    (tmp_path / "areas").mkdir()
    frame = geopandas.GeoDataFrame({"n": [1]}, geometry=[area], crs="EPSG:32633")
    frame.to_file(tmp_path / "areas" / "dist.shp")
    (tmp_path / "areas" / "dist.txt").write_text("notes of somebody")
    added = [tmp_path / "areas" / "dist.shp", tmp_path / "areas" / "dist.dbf"]
    made = gdl.bundle(mapped, out=tmp_path / "sent.zip", add=added)
    parts = [name for name in made.contents if name.startswith("dist")]
    assert sorted(parts) == [f"dist.{ending}" for ending in ("cpg", "dbf", "prj", "shp", "shx")]
    folder = unzipped(tmp_path / "sent.zip")
    assert geopandas.read_file(folder / "dist.shp").crs == "EPSG:32633"
    with zipfile.ZipFile(folder / "map.qgz") as project:
        assert b"./dist.shp|layername=dist" in project.read("map.qgs")
    (tmp_path / "areas" / "dist.dbf").unlink()
    with pytest.raises(OptionError, match=r"dist\.shp .* has no \.dbf beside it"):
        gdl.bundle(mapped, out=tmp_path / "other.zip", add=added[:1])


def test_two_files_of_one_name_are_named_as_the_user_gave_them(tmp_path):
    mapped = write_map(tmp_path / "map.tif")
    paths = [tmp_path / folder / "a.gpkg" for folder in ("one", "two")]
    frame = geopandas.GeoDataFrame({"n": [1]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:32633")
    for path in paths:
        path.parent.mkdir()
        write_geopackage(path, frame)
    other = tmp_path / "one" / "map.tif"
    other.write_bytes(mapped.read_bytes())
    (tmp_path / "one" / "README.txt").write_text("mine")
    for added, message in (
        (paths, f"{paths[0]} and {paths[1]}"),
        ([other], f"{mapped} and {other}"),
        ([tmp_path / "one" / "README.txt"], "one that the bundle makes and "),
    ):
        with pytest.raises(OptionError) as refused:
            gdl.bundle(mapped, out=tmp_path / "sent.zip", add=added)
        assert f": {message}" in str(refused.value)


@pytest.mark.parametrize(("nodata", "sent_nodata"), [(None, 254), (0, 0)])
def test_a_mask_of_bytes_stays_one_of_bytes(tmp_path, nodata, sent_nodata):
    pixels = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (1, 60, 50))
    profile = {} if nodata is None else {"nodata": nodata}
    mapped = write_plain(
        tmp_path / "map.tif", pixels, {"TIFFTAG_DATETIME": "2026:11:30 21:06:47"}, **profile
    )
    gdl.bundle(mapped, out=tmp_path / "sent.zip")
    folder = unzipped(tmp_path / "sent.zip")
    with rasterio.open(folder / "map.tif") as sent:
        assert (sent.dtypes, sent.nodata) == (("uint8",), sent_nodata)
        np.testing.assert_array_equal(sent.read(), pixels)
    text = (folder / "README.txt").read_text(encoding="utf-8")
    assert "  2026-11-30\n" in text
    gdl.clean(mapped, out=tmp_path / "clean.tif", sieve="2px")
    with rasterio.open(tmp_path / "clean.tif") as cleaned:
        assert (cleaned.dtypes, cleaned.nodata) == (("uint8",), sent_nodata)
