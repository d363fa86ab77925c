"""``geodl evaluate``: figures, files and bad input."""

import csv
import json
import re
import sqlite3

import numpy as np
import pyogrio
import pytest
import rasterio
from shapely.geometry import box

from georaster_dl.io.output.provenance import rejected_tags
from georaster_dl.testing import write_labels
from tests.maps import LEFT, NAMES, NODATA, TOP, centre, noisy_pair, write_vector


@pytest.fixture
def pair(make_tif, tmp_path):
    mapped, truth = noisy_pair()
    class_map = write_labels(tmp_path / "map.tif", mapped, names=NAMES)
    return class_map, make_tif(truth, "truth.tif", nodata=NODATA)


@pytest.fixture
def points(tmp_path):
    _, truth = noisy_pair()
    places = [(row, col) for row in range(16, 60, 4) for col in range(14, 50, 4)]
    fields = {"class": [int(truth[place]) for place in places]}
    return write_vector(tmp_path / "points.gpkg", [centre(*place) for place in places], fields)


def test_the_table_for_people(geodl, pair):
    ended = geodl("evaluate", *pair)
    assert ended.code == 0, ended.err
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert (
        lines[0]
        == "map.tif against truth.tif (raster): 2,820 pixels compared; 180 labelled pixels on nodata of the map"
    )
    assert lines[2].split() == ["class", "mapped", "reference", "user's", "producer's", "F1", "IoU"]
    assert [line.split()[0] for line in lines[3:6]] == ["water", "forest", "road"]
    assert "mean IoU" in ended.out
    assert "for old tables only" in ended.out
    assert "no random sample" in ended.out
    assert "±" not in ended.out


def test_the_share_of_labels_that_keep_a_class_is_printed(geodl, pair):
    with rasterio.open(pair[0], "r+") as dataset:
        dataset.update_tags(**rejected_tags(14, coverage=0.8, threshold=0.6))
    ended = geodl("evaluate", *pair)
    assert ended.code == 0, ended.err
    line = ended.out.splitlines()[0]
    compared, rejected = (
        int(n.replace(",", ""))
        for n in re.search(
            r"([\d,]+) pixels compared; ([\d,]+) labelled pixels uncertain", line
        ).groups()
    )
    assert (
        f"Coverage {100 * compared / (compared + rejected):.1f}: share of the labels" in ended.out
    )
    assert "map without --reject for areas" in ended.out


def test_points_get_areas_with_intervals(geodl, pair, points):
    ended = geodl("evaluate", pair[0], points, "--class-field", "class", "--block", 10)
    assert ended.code == 0, ended.err
    assert "99 points compared" in ended.out
    assert "Area-adjusted overall accuracy" in ended.out
    assert "area ha" in ended.out
    assert "±" in ended.out
    assert "blocks of 10 pixels" in ended.out


def test_json_alone_on_standard_output(geodl, pair):
    ended = geodl("evaluate", *pair, "--json", "--ignore", 14)
    facts = json.loads(ended.out)
    mapped, truth = noisy_pair()
    assert facts["compared"] == ((mapped != NODATA) & (truth != 14)).sum()
    assert [entry["value"] for entry in facts["classes"]] == [1, 10, 14]
    assert facts["classes"][2]["producers_accuracy"] is None


def test_files_are_written_and_named(geodl, pair, tmp_path):
    ended = geodl("evaluate", *pair, "--csv", "out.csv", "--html", "report.html")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-2:] == ["out.csv", "report.html"]
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["water", "forest", "road"]
    assert "<title>Accuracy of map.tif</title>" in (tmp_path / "report.html").read_text("utf-8")
    ended = geodl("evaluate", *pair, "--html", "report.html", "--overwrite", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["task"] == "classes"


def test_numbers(geodl, make_tif):
    truth = np.random.default_rng(0).normal(300, 50, (20, 20)).astype(np.float32)
    files = make_tif(truth + 2, "map.tif"), make_tif(truth, "truth.tif")
    ended = geodl("evaluate", *files, "--csv", "out.csv", "--html", "report.html")
    assert ended.code == 0, ended.err
    assert "RMSE 2, MAE 2, bias +2, R2 0.998" in ended.out


class TestRefused:
    def test_outputs_that_exist(self, refused, pair, tmp_path):
        (tmp_path / "report.html").write_text("mine")
        assert "exists already" in refused("evaluate", *pair, "--html", "report.html")
        (tmp_path / "out.csv").write_text("mine")
        assert "exists already" in refused("evaluate", *pair, "--csv", "out.csv")

    def test_an_input_as_output(self, refused, pair, tmp_path):
        table = tmp_path / "classes.csv"
        table.write_text("value,name\n1,a\n10,b\n14,c\n")
        told = refused("evaluate", *pair, "--classes", table, "--csv", table, "--overwrite")
        assert "is also an input" in told

    def test_endings_that_promise_another_format(self, refused, pair):
        assert "end it in .html" in refused("evaluate", *pair, "--html", "report.pdf")
        assert "end it in .csv" in refused("evaluate", *pair, "--csv", "table.xlsx")

    @pytest.mark.parametrize("option", ["--image", "--curves"])
    def test_pictures_without_a_report(self, refused, pair, option):
        assert "add --html" in refused("evaluate", *pair, option, "x.png")

    def test_a_picture_that_cannot_be_read_leaves_no_report(self, refused, pair):
        told = refused("evaluate", *pair, "--html", "report.html", "--image", "no.tif")
        assert "no.tif does not exist" in told

    def test_a_missing_map(self, refused, pair):
        assert "no.tif does not exist" in refused("evaluate", "no.tif", pair[1])

    def test_a_missing_reference(self, refused, pair):
        assert "no.gpkg" in refused("evaluate", pair[0], "no.gpkg")

    def test_a_scene_for_a_map(self, refused, scene, pair):
        assert "has 3 bands, but a map has one" in refused("evaluate", scene, pair[1])

    def test_an_unknown_field(self, refused, pair, points):
        told = refused("evaluate", pair[0], points, "--class-field", "cover")
        assert "cover" in told
        assert "class" in told

    def test_no_overlap(self, refused, pair, make_tif):
        from rasterio.transform import from_origin

        _, truth = noisy_pair()
        far = make_tif(truth, "far.tif", transform=from_origin(LEFT + 9000, TOP, 10, 10))
        told = refused("evaluate", pair[0], far)
        assert "509000" in told
        assert "500000" in told

    def test_an_empty_reference(self, refused, pair, make_tif):
        empty = make_tif(np.full((60, 50), NODATA, np.uint8), "empty.tif", nodata=NODATA)
        assert "empty.tif" in refused("evaluate", pair[0], empty)

    def test_other_classes(self, refused, pair, tmp_path):
        path = write_vector(tmp_path / "snow.gpkg", [centre(20, 20)], {"class": ["snow"]})
        told = refused("evaluate", pair[0], path)
        assert "water, forest, road" in told
        assert "snow" in told

    def test_a_block_of_nothing(self, refused, pair):
        assert "--block" in refused("evaluate", *pair, "--block", 0)


def test_polygons_of_one_class_warn_loudly(geodl, pair, tmp_path):
    shape = box(*centre(30, 10).coords[0], *centre(20, 20).coords[0])
    path = write_vector(tmp_path / "one.gpkg", [shape], {"class": ["road"]})
    ended = geodl("evaluate", pair[0], path, "--html", "report.html")
    assert "WARNING: The reference holds one class only (road)" in ended.out
    assert "one class only (road)" in (tmp_path / "report.html").read_text(encoding="utf-8")
    facts = json.loads(geodl("evaluate", pair[0], path, "--json").out)
    assert "one class only (road)" in facts["notes"][0]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all("name it with --background" in text for text in (ended.out, page, facts["notes"][0]))
    water = {entry["name"]: entry for entry in facts["classes"]}["water"]
    assert (water["iou"], water["f1"], water["users_accuracy"]) == (None, None, 0)
    full = geodl("evaluate", pair[0], path, "--background", "forest", "--csv", "t.csv")
    assert full.code == 0, full.err
    assert "WARNING" not in full.out
    line = next(line for line in full.out.splitlines() if line.startswith("water"))
    assert line.split()[-3:] == ["-", "-", "-"]
    rows = csv.DictReader((tmp_path / "t.csv").read_text(encoding="utf-8").splitlines())
    assert next(rows)["iou"] == ""


class TestObjects:
    @pytest.fixture
    def buildings(self, tmp_path):
        array = np.ones((40, 40), np.uint8)
        array[2:8, 2:8] = array[20:30, 20:26] = 10
        mapped = write_labels(tmp_path / "map.tif", array, names={1: "other", 10: "building"})
        shapes = [
            box(LEFT + 10 * c, TOP - 10 * r - 60, LEFT + 10 * c + 60, TOP - 10 * r)
            for r, c in ((2, 2), (2, 30))
        ]
        return mapped, write_vector(tmp_path / "houses.gpkg", shapes, {"a": [1, 2], "b": ["", "x"]})

    def test_scores_files_and_json(self, geodl, buildings, tmp_path):
        made = ("--csv", "o.csv", "--html", "o.html", "--matches", "o.gpkg")
        ended = geodl("evaluate", *buildings, "--objects", "--class", "building", *made)
        assert ended.code == 0, ended.err
        lines = ended.out.splitlines()
        assert lines[0].endswith("(objects): 2 mapped objects, 2 of the reference")
        assert lines[3].split()[:7] == ["building", "2", "2", "1", "50.0", "50.0", "50.0"]
        assert "Boundary F1" in ended.out
        assert lines[-3:] == ["o.csv", "o.html", "o.gpkg"]
        layers = dict(pyogrio.list_layers(tmp_path / "o.gpkg"))
        assert [layers[name] for name in ("matched", "false", "missed")] == ["Polygon"] * 3
        assert pyogrio.read_dataframe(tmp_path / "o.gpkg", layer="missed").area_m2[0] == 3600
        with sqlite3.connect(tmp_path / "o.gpkg") as base:
            styled = base.execute("SELECT f_table_name FROM layer_styles").fetchall()
        assert sorted(styled) == [("false",), ("matched",), ("missed",)]
        page = (tmp_path / "o.html").read_text("utf-8")
        assert "missed (in the reference, not mapped): 1" in page
        assert "data:image/png" in page
        rows = csv.DictReader((tmp_path / "o.csv").read_text().splitlines())
        assert next(rows)["missed"] == "1"
        ended = geodl("evaluate", *buildings, "--objects", "--class", "building", "--json")
        facts = json.loads(ended.out)
        assert (facts["f1"], facts["average_precision"], facts["boundary_tolerance"]) == (
            0.5,
            None,
            "2 px",
        )

    def test_options_of_objects_alone(self, refused, buildings):
        assert "add --objects" in refused("evaluate", *buildings, "--tolerance", "1m")

    def test_a_missing_map_of_objects_is_called_one(self, refused, buildings):
        told = refused("evaluate", "nope.gpkg", buildings[1], "--objects")
        assert "The map nope.gpkg does not exist" in told
        told = refused("evaluate", *buildings, "--objects")
        assert "name it with --class" in told
