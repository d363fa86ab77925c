"""``geodl clean``, and cleaning as a step of ``geodl segment``."""

import json

import geopandas
import pytest
import rasterio
from rasterio.transform import from_origin

import georaster_dl as gdl
from georaster_dl.testing import noise, write_scene
from tests.maps import read_band


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def scene(tmp_path):
    array = noise((90, 80))
    array[:, :20, :30] = 0
    return write_scene(
        tmp_path / "scene.tif", array, nodata=0, transform=from_origin(5e5, 5e6, 10, 10)
    )


def test_a_cleaned_map_is_the_map_but_for_its_small_areas(geodl, scene, model, tmp_path):
    assert geodl("segment", scene, "-m", model, "-o", "m.tif", "--quiet").code == 0
    ended = geodl("clean", "m.tif", "-o", "c.tif", "--sieve", "0.12ha")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[1:] == [
        "keep together: c.tif, c.tif.aux.xml, c.qml (names and colours)",
        "c.tif",
    ]
    before, after = read_band("m.tif"), read_band("c.tif")
    assert ((before == 255) == (after == 255)).all()
    assert (before != after).any()
    with rasterio.open("m.tif") as one, rasterio.open("c.tif") as other:
        tags = other.tags()
        assert tags.pop("GEORASTER_DL_CLEANED") == "sieve=0.12ha"
        assert tags == one.tags()
        assert one.colormap(1) == other.colormap(1)
        assert (one.profile["crs"], one.transform, one.nodata) == (
            other.profile["crs"],
            other.transform,
            other.nodata,
        )
    assert (tmp_path / "m.qml").read_text() == (tmp_path / "c.qml").read_text()
    made = gdl.clean("m.tif", out="p.tif", sieve="12px")
    assert (read_band("p.tif") == after).all()
    assert made.changed == (before != after).sum()
    assert made.counts == {n: (after == i).sum() for i, n in enumerate(made.counts, start=1)}


@pytest.mark.parametrize("journal", [None, "strips"])
def test_segment_cleans_as_clean_does_and_keeps_no_other_file(scene, model, tmp_path, journal):
    steps = {"smooth": True, "smooth_window": 5, "majority": 3, "sieve": "9px"}
    plain = {"tile": 64, "halo": 8}
    gdl.segment(scene, model, out="m.tif", probabilities=True, **plain)
    gdl.clean("m.tif", out="c.tif", **steps)
    kept = set(tmp_path.iterdir())
    asked = {"polygons": "p.gpkg", "record": "r.json", "journal": journal}
    made = gdl.segment(scene, model, out="s.tif", **steps, **plain, **asked)
    cleaned = read_band("c.tif")
    assert (read_band("s.tif") == cleaned).all()
    assert (cleaned != read_band("m.tif")).any()
    new = {path.name for path in set(tmp_path.iterdir()) - kept}
    assert new == {"s.tif", "s.tif.aux.xml", "s.qml", "p.gpkg", "r.json"}
    with rasterio.open("s.tif") as dataset:
        assert dataset.tags()["GEORASTER_DL_CLEANED"].startswith("smooth=20.0 window=5 share=0.5")
    counts = json.loads((tmp_path / "r.json").read_text())["classes"]
    assert counts == made.findings.counts
    assert list(counts.values()) == [int((cleaned == value).sum()) for value in (1, 2, 3, 4)]
    areas = geopandas.read_file("p.gpkg", layer="p").groupby("class_name")["area_m2"].sum() / 100
    assert areas.round().astype(int).to_dict() == {name: n for name, n in counts.items() if n}


def test_tiles_leave_no_seams_in_a_smoothed_map(model):
    scene = write_scene("wide.tif", noise((70, 260)), transform=from_origin(5e5, 5e6, 10, 10))
    steps = {"smooth": True, "sieve": "9px", "halo": "exact"}
    gdl.segment(scene, model, out="one.tif", **steps)
    gdl.segment(scene, model, out="many.tif", tile=112, **steps)
    assert (read_band("one.tif") == read_band("many.tif")).all()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--smooth",), "m_probabilities.tif"),
        ((), "--sieve 0.5ha"),
        (("--smooth-strength", 3), "add --smooth"),
        (("--sieve", "5"), "has no unit"),
    ],
)
def test_what_is_missing_is_named(geodl, scene, model, options, word):
    assert geodl("segment", scene, "-m", model, "-o", "m.tif", "--quiet").code == 0
    ended = geodl("clean", "m.tif", "-o", "c.tif", *options)
    assert ended.code == 1
    assert word in ended.err


def test_smoothing_and_rejection_exclude_each_other(geodl, scene, model):
    ended = geodl("segment", scene, "-m", model, "-o", "m.tif", "--smooth", "--reject", 0.9)
    assert ended.code == 1
    assert "--smooth" in ended.err
